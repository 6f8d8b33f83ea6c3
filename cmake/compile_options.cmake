# The flags of every target. -ffp-contract=off is part of the product: results must not depend on whether the compiler
# fuses a multiplication and an addition.
add_library(expo_options INTERFACE)
target_compile_options(expo_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror=return-type
  -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105329: a false warning for std::string + const char*.
  target_compile_options(expo_options INTERFACE -Wno-restrict)
endif()
if(EXPO_SANITIZE)
  target_compile_options(expo_options INTERFACE -fsanitize=${EXPO_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(expo_options INTERFACE -fsanitize=${EXPO_SANITIZE})
endif()
if(EXPO_BUILD_FUZZERS)
  # Instruments the library too, not only the fuzz targets.
  target_compile_options(expo_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(expo_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
