# Flags of every target. -ffp-contract=off is part of the product: results must not depend on whether the
# compiler fuses a multiplication and an addition.
add_library(expo_options INTERFACE)
target_compile_options(expo_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror=return-type
  -ffp-contract=off)
if(EXPO_SANITIZE)
  target_compile_options(expo_options INTERFACE -fsanitize=${EXPO_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(expo_options INTERFACE -fsanitize=${EXPO_SANITIZE})
endif()
