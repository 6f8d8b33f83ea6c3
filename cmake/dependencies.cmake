# All third-party dependencies, in one place. The versions are those of Debian 12; newer ones work.
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(ZLIB 1.2 REQUIRED)
find_package(CURL 7.85 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_path(EXPO_XXHASH_INCLUDE xxhash.h REQUIRED)
# Eigen 3.4, which consists of headers.
find_path(EXPO_EIGEN_INCLUDE Eigen/Eigenvalues PATH_SUFFIXES eigen3 REQUIRED)
if(EXPO_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()
find_package(LibTorch 2.11 QUIET)
option(EXPO_TORCH "Build the rooms that run models; they need libtorch, which scripts/bootstrap engine installs"
       ${LibTorch_FOUND})
if(EXPO_TORCH AND NOT LibTorch_FOUND)
  message(FATAL_ERROR "libtorch was not found. Install it with scripts/bootstrap engine, name the folder torch of an "
          "installed wheel with -DEXPO_TORCH_ROOT=…, or build without the rooms that run models with "
          "-DEXPO_TORCH=OFF")
endif()
message(STATUS "Rooms that run models: ${EXPO_TORCH} (EXPO_TORCH; libtorch ${LibTorch_VERSION})")
