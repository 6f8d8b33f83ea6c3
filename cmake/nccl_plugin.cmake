# Builds libexpo-nccl.so, through which `expo train` communicates between GPUs; it is placed beside `expo-engine`. It is
# built if the headers of CUDA and NCCL and PyTorch's CUDA library exist: those of the wheels in .venv, or of a CUDA
# toolkit.
get_filename_component(site_packages ${LIBTORCH_INCLUDE}/../.. REALPATH)
file(GLOB cuda_hints ${site_packages}/nvidia/cu*/include)
list(APPEND cuda_hints $ENV{CUDA_HOME}/include /usr/local/cuda/include)
get_filename_component(torch_libraries ${LIBTORCH_CPU} DIRECTORY)

# Since CUDA 13, <nv/target> is in a folder of its own.
find_path(EXPO_CUDA_INCLUDE crt/host_config.h HINTS ${cuda_hints} NO_DEFAULT_PATH)
find_path(EXPO_CCCL_INCLUDE nv/target HINTS ${cuda_hints} PATH_SUFFIXES cccl . NO_DEFAULT_PATH)
find_path(EXPO_CUSPARSE_INCLUDE cusparse.h HINTS ${cuda_hints} NO_DEFAULT_PATH)
find_path(EXPO_NCCL_INCLUDE nccl.h HINTS ${site_packages}/nvidia/nccl/include ${cuda_hints} NO_DEFAULT_PATH)
find_library(EXPO_TORCH_CUDA torch_cuda HINTS ${torch_libraries} NO_DEFAULT_PATH)
find_library(EXPO_C10_CUDA c10_cuda HINTS ${torch_libraries} NO_DEFAULT_PATH)
mark_as_advanced(EXPO_CUDA_INCLUDE EXPO_CCCL_INCLUDE EXPO_CUSPARSE_INCLUDE EXPO_NCCL_INCLUDE EXPO_TORCH_CUDA
                 EXPO_C10_CUDA)
set(missing "")
foreach(part EXPO_CUDA_INCLUDE EXPO_CCCL_INCLUDE EXPO_CUSPARSE_INCLUDE EXPO_NCCL_INCLUDE EXPO_TORCH_CUDA EXPO_C10_CUDA)
  if(NOT ${part})
    list(APPEND missing ${part})
  endif()
endforeach()
set(EXPO_NCCL AUTO CACHE STRING "Build the library through which `expo train` communicates between GPUs: AUTO, ON or OFF")
if(EXPO_NCCL STREQUAL "AUTO" AND missing)
  message(STATUS "NCCL between GPUs: no (EXPO_NCCL; not found: ${missing})")
  return()
elseif(NOT EXPO_NCCL)
  return()
elseif(missing)
  message(FATAL_ERROR "EXPO_NCCL=ON needs headers of CUDA (crt/host_config.h, nv/target, cusparse.h), NCCL's nccl.h "
          "and libtorch_cuda.so; not found: ${missing}. scripts/bootstrap test installs them")
endif()
message(STATUS "NCCL between GPUs: yes (EXPO_NCCL)")

add_library(expo-nccl MODULE ${PROJECT_SOURCE_DIR}/expo/training/plugin/nccl_backend.cpp)
target_include_directories(expo-nccl PRIVATE ${PROJECT_SOURCE_DIR})
target_include_directories(expo-nccl SYSTEM PRIVATE ${EXPO_CUDA_INCLUDE} ${EXPO_CCCL_INCLUDE}
  ${EXPO_CUSPARSE_INCLUDE} ${EXPO_NCCL_INCLUDE} ${PROJECT_SOURCE_DIR}/cmake/cusolver_declarations)
target_link_libraries(expo-nccl PRIVATE expo::torch ${EXPO_TORCH_CUDA} ${EXPO_C10_CUDA} expo_options)
set_target_properties(expo-nccl PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
  INSTALL_RPATH ${torch_libraries})
add_dependencies(expo-engine expo-nccl)
