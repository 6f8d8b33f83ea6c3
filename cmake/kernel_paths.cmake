# The paths of the kernels for wider instruction sets. Each file is compiled for its own processor, and runs only if
# equation_2.cpp (kernels.cpp) found that processor. On machines other than x86-64 these files are empty.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/expo/extrapolation/kernel/equation_2_avx2.cpp
    PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/expo/extrapolation/kernel/equation_2_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mf16c;-mprefer-vector-width=512")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 warns of its own _mm512_undefined_epi32 inside avx512fintrin.h (GCC bug 105593).
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/expo/extrapolation/kernel/equation_2_avx512.cpp
      APPEND PROPERTY COMPILE_OPTIONS -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()

  set(avx2 -mavx2 -mfma)
  set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
  # Tuned for another processor, GCC 12 keeps some sums of a product on the stack.
  set(kernels_avx2 ${avx2} -mtune=znver2)
  set(kernels_avx512 ${avx512})
  set(product_avx512_bf16 ${avx512} -mavx512bf16)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 17 AND NOT EXPO_TORCH)
    # Clang 16 crashes on copies into __m512bh; the file is then empty, which affects only rooms with libtorch.
    set(product_avx512_bf16 ${avx512})
  endif()
  set(product_amx ${avx512} -mamx-tile -mamx-bf16)
  foreach(file kernels_avx2 kernels_avx512 product_avx512_bf16 product_amx)
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/expo/matrix/${file}.cpp
      APPEND PROPERTY COMPILE_OPTIONS ${${file}})
  endforeach()
endif()
# A running model's sums may be fused, since its results depend on the instruction set anyway.
foreach(set baseline avx2 avx512)
  set_property(SOURCE ${PROJECT_SOURCE_DIR}/expo/matrix/kernels_${set}.cpp
    APPEND PROPERTY COMPILE_OPTIONS -ffp-contract=fast -O3 -Wno-psabi)
endforeach()
