# The kernel's paths for wider instruction sets: each file alone is compiled for its processor, and runs only
# where kernel.cpp found that processor. On machines other than x86-64 these files are empty.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/expo/extrapolation/kernel_avx2.cpp
    PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/expo/extrapolation/kernel_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mf16c;-mprefer-vector-width=512")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 warns of its own _mm512_undefined_epi32 inside avx512fintrin.h (GCC bug 105593).
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/expo/extrapolation/kernel_avx512.cpp
      APPEND PROPERTY COMPILE_OPTIONS -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
endif()
