# Whether the CUDA toolkit and cuDNN are here. Nothing outside this file, src/backend, tests/gpu and bench asks.
set(BKI_CUDA_FOUND OFF)
if(NOT BKI_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  find_package(CUDAToolkit 12 QUIET)
  # CUDNN_PATH says where cuDNN is when it is not beside the toolkit. A Python wheel (nvidia/cudnn) has the library under its
  # versioned name only.
  find_path(CUDNN_INCLUDE cudnn.h HINTS $ENV{CUDNN_PATH}/include ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 NAMES_PER_DIR HINTS $ENV{CUDNN_PATH}/lib $ENV{CUDNN_PATH}/lib64
                                                                           ${CUDAToolkit_LIBRARY_DIR})
  if(CMAKE_CUDA_COMPILER AND CUDAToolkit_FOUND AND CUDNN_INCLUDE AND CUDNN_LIBRARY)
    set(BKI_CUDA_FOUND ON)
    # nvcc knows these itself, and links the runtime that the module is linked with.
    # 90a is 90 with what later GPUs do not have (wgmma); its code runs on every GPU of 90.
    string(REGEX REPLACE "(^|;)90(;|$)" "\\190a\\2" CMAKE_CUDA_ARCHITECTURES "${BKI_CUDA_ARCHITECTURES}")
    set(CMAKE_CUDA_STANDARD 17)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
    enable_language(CUDA)
  elseif(BKI_CUDA STREQUAL "ON")
    message(FATAL_ERROR "BKI_CUDA=ON needs nvcc (found: ${CMAKE_CUDA_COMPILER}), the CUDA toolkit (found: "
                        "${CUDAToolkit_FOUND}) and cuDNN (found: ${CUDNN_LIBRARY})")
  endif()
endif()
message(STATUS "CUDA: ${BKI_CUDA} (found: ${BKI_CUDA_FOUND})")

# The headers alone: tests/gpu runs the backend on the CPU where they and a C++ compiler are here, nvcc or not.
get_filename_component(bki_nvcc_dir "${CMAKE_CUDA_COMPILER}" DIRECTORY)
set(bki_include_hints ${bki_nvcc_dir}/../include $ENV{CUDA_HOME}/include /usr/local/cuda/include)
find_path(BKI_CUDA_INCLUDE cublasLt.h HINTS ${bki_include_hints})
find_path(BKI_CUDNN_INCLUDE cudnn.h HINTS $ENV{CUDNN_PATH}/include ${bki_include_hints})
set(BKI_CUDA_HEADERS ${BKI_CUDNN_INCLUDE} ${BKI_CUDA_INCLUDE})
set(BKI_CUDA_HEADERS_FOUND OFF)
if(BKI_CUDA_INCLUDE AND BKI_CUDNN_INCLUDE AND EXISTS ${BKI_CUDA_INCLUDE}/cuda_runtime_api.h)
  set(BKI_CUDA_HEADERS_FOUND ON)
endif()
