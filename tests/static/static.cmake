# static/kernels: what ptxas says of every kernel, and the instructions it made, against kernels.md. Included where the targets of
# SCCA_KERNELS and of the tests' own kernels are known.
set(SCCA_STATIC ${CMAKE_CURRENT_LIST_DIR})

function(scca_static_test)
  set(objects "")
  set(launcher ${SCCA_STATIC}/keep_report.sh ${CMAKE_CUDA_COMPILER_LAUNCHER})
  foreach(target ${ARGN})
    # The normal build's report is kept, so that nothing is compiled twice. Uncompressed, an object's cubins can be read.
    target_compile_options(${target} PRIVATE -Xptxas=-v --no-compress)
    set_target_properties(${target} PROPERTIES CUDA_COMPILER_LAUNCHER "${launcher}")
    list(APPEND objects $<TARGET_OBJECTS:${target}>)
  endforeach()
  add_executable(scca_static ${SCCA_STATIC}/kernels.cpp ${SCCA_STATIC}/kernel_facts.cpp
                 ${SCCA_STATIC}/kernel_table.cpp ${SCCA_STATIC}/occupancy.cpp)
  target_link_libraries(scca_static PRIVATE scca_core scca_core_kernels)
  target_include_directories(scca_static SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  set_target_properties(scca_static PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  add_dependencies(scca_static ${ARGN})

  add_test(NAME static/kernels COMMAND scca_static ${SCCA_STATIC}/kernels.md ${objects} COMMAND_EXPAND_LISTS)
  add_test(NAME static/refuses COMMAND ${SCCA_STATIC}/refuses.sh $<TARGET_FILE:scca_static> ${CMAKE_CUDA_COMPILER})
  # ops/cublas.cu as nvcc built it, and the real library: its answer without a driver is an answer.
  add_executable(scca_cublas ${SCCA_STATIC}/cublas.cpp ${PROJECT_SOURCE_DIR}/ops/cublas_search.cpp
                 $<FILTER:$<TARGET_OBJECTS:scca_ops_kernels>,INCLUDE,/cublas[.]cu>)
  target_link_libraries(scca_cublas PRIVATE scca_settings CUDA::cudart_static)
  set_target_properties(scca_cublas PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  add_test(NAME static/cublas COMMAND ${SCCA_STATIC}/cublas.sh $<TARGET_FILE:scca_cublas> ${CMAKE_CXX_COMPILER}
                                      ${CUDAToolkit_LIBRARY_DIR})
  # The instructions of core/ptx.cuh, which nvcc alone compiles: their operands in the order of the PTX ISA.
  add_test(NAME static/ptx COMMAND ${SCCA_STATIC}/ptx.sh ${CMAKE_CUDA_COMPILER})
  # Of the whole toolkit; a smaller one has neither.
  find_program(SCCA_CUOBJDUMP cuobjdump HINTS ${CUDAToolkit_BIN_DIR})
  find_program(SCCA_NVDISASM nvdisasm HINTS ${CUDAToolkit_BIN_DIR})
  if(SCCA_CUOBJDUMP AND SCCA_NVDISASM)
    add_test(NAME static/sass COMMAND scca_static --sass ${SCCA_CUOBJDUMP} ${objects} COMMAND_EXPAND_LISTS)
  endif()
  # cmake --build build --target kernel_table writes kernels.md
  add_custom_target(kernel_table COMMAND scca_static --write ${SCCA_STATIC}/kernels.md ${objects}
                    COMMAND_EXPAND_LISTS VERBATIM)
endfunction()
