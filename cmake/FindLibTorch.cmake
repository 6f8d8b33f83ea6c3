# Finds libtorch in the PyPI wheel `torch` (2.11 to 2.15) and defines the target expo::torch.
#
# The wheel's own CMake package fails without a CUDA toolkit, and libtorch.so needs the CUDA library, so only
# libtorch_cpu and libc10 are linked here. The wheel is searched for in EXPO_TORCH_ROOT (the folder `torch` itself),
# then in the project's .venv.
set(EXPO_TORCH_ROOT "" CACHE PATH "The folder `torch` of an installed wheel; empty: the one in .venv")

set(torch_candidates ${EXPO_TORCH_ROOT})
if(NOT EXPO_TORCH_ROOT)
  file(GLOB torch_candidates ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
endif()
find_path(LIBTORCH_INCLUDE ATen/ATen.h HINTS ${torch_candidates} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(LIBTORCH_CPU torch_cpu HINTS ${torch_candidates} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LIBTORCH_C10 c10 HINTS ${torch_candidates} PATH_SUFFIXES lib NO_DEFAULT_PATH)
mark_as_advanced(LIBTORCH_INCLUDE LIBTORCH_CPU LIBTORCH_C10)
if(LIBTORCH_INCLUDE)
  file(READ ${LIBTORCH_INCLUDE}/torch/headeronly/version.h torch_version)
  string(REGEX MATCH "VERSION_MAJOR ([0-9]+).*VERSION_MINOR ([0-9]+).*VERSION_PATCH ([0-9]+)" _
         "${torch_version}")
  set(LibTorch_VERSION ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3})
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LIBTORCH_CPU LIBTORCH_C10 LIBTORCH_INCLUDE
                                  VERSION_VAR LibTorch_VERSION)

if(LibTorch_FOUND AND NOT TARGET expo::torch)
  add_library(expo_torch INTERFACE IMPORTED GLOBAL)
  add_library(expo::torch ALIAS expo_torch)
  target_include_directories(expo_torch SYSTEM INTERFACE
    ${LIBTORCH_INCLUDE} ${LIBTORCH_INCLUDE}/torch/csrc/api/include)
  target_link_libraries(expo_torch INTERFACE ${LIBTORCH_CPU} ${LIBTORCH_C10})
  # The wheel contains headers of fmt of another version than the system's library.
  target_compile_definitions(expo_torch INTERFACE FMT_HEADER_ONLY)
endif()
