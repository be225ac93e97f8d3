# find_package(scca), or add_subdirectory and FetchContent on the source tree, offers one target per folder, each with those to its left:
#   scca::core  scca::ops  scca::nn  scca::models  scca::train
#   scca::scca      all of them: everything but a main
#   scca::cli       and the main of the command line: for a program of nothing but patterns and commands of your own
#   scca::op_check  check_op and a main for tests of your ops; needs doctest
# COMPONENTS names those that are wanted, and only what they depend on is looked for; without it, all but op_check.
#
# scca_CUDA says whether this scca was built with CUDA. Then an op of your own may have its .cu beside the .cpp:
# scca_enable_cuda(), called before the target is made, enables the language as scca's own kernels were compiled.
#
# A static library may link them too: its program gets the objects. A shared one would hold copies of its own.
include(CMakeFindDependencyMacro)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})  # FindSentencePiece, Finddnnl, ...

set(scca_CUDA @SCCA_CUDA_FOUND@)
macro(scca_enable_cuda)
  set(CMAKE_CUDA_ARCHITECTURES @CMAKE_CUDA_ARCHITECTURES@)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake before 3.25.2 does not know that nvcc has C++20
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
endmacro()

set(_scca_order core ops nn models train cli)
set(_scca_needs_core OpenMP Threads)
if(scca_CUDA)
  list(APPEND _scca_needs_core CUDAToolkit)
endif()
set(_scca_needs_ops dnnl)
set(_scca_needs_nn nlohmann_json)
set(_scca_needs_models SentencePiece PCRE2 utf8proc)
set(_scca_needs_train CLI11 ZLIB zstd)

# How far to the right in _scca_order.
set(_scca_last -1)
if(NOT scca_FIND_COMPONENTS)
  set(_scca_last 5)
endif()
foreach(_scca_wanted ${scca_FIND_COMPONENTS})
  string(REGEX REPLACE "^op_check$" "core" _scca_folder ${_scca_wanted})
  string(REGEX REPLACE "^scca$" "train" _scca_folder ${_scca_folder})
  list(FIND _scca_order ${_scca_folder} _scca_place)
  if(_scca_place LESS 0)
    set(scca_FOUND FALSE)
    set(scca_NOT_FOUND_MESSAGE "scca has no component '${_scca_wanted}'; it has ${_scca_order} scca op_check")
    return()
  elseif(_scca_place GREATER _scca_last)
    set(_scca_last ${_scca_place})
  endif()
endforeach()

# $<TARGET_OBJECTS:...> passes objects on to whoever links the interface, which linking an OBJECT library does not;
# and an object file that arrives on two ways is linked once.
set(_scca_left "")
foreach(_scca_place RANGE ${_scca_last})
  list(GET _scca_order ${_scca_place} _scca_folder)
  if(NOT TARGET scca::${_scca_folder})
    set(_scca_global "")
    if(TARGET scca::${_scca_folder}_objects)  # a subproject's, which has what it needs
      set(_scca_global GLOBAL)
    else()
      foreach(_scca_package ${_scca_needs_${_scca_folder}})
        find_dependency(${_scca_package})
      endforeach()
      include(${CMAKE_CURRENT_LIST_DIR}/scca-${_scca_folder}.cmake)
    endif()
    add_library(scca::${_scca_folder} INTERFACE IMPORTED ${_scca_global})
    set_target_properties(scca::${_scca_folder} PROPERTIES INTERFACE_LINK_LIBRARIES
      "scca::${_scca_folder}_objects;$<TARGET_OBJECTS:scca::${_scca_folder}_objects>;${_scca_left}")
    if(TARGET scca::${_scca_folder}_kernels)
      target_link_libraries(scca::${_scca_folder} INTERFACE scca::${_scca_folder}_kernels
                            $<TARGET_OBJECTS:scca::${_scca_folder}_kernels>)
    endif()
  endif()
  set(_scca_left scca::${_scca_folder})
endforeach()
if(TARGET scca::train AND NOT TARGET scca::scca)
  add_library(scca::scca INTERFACE IMPORTED ${_scca_global})
  target_link_libraries(scca::scca INTERFACE scca::train)
endif()
if("op_check" IN_LIST scca_FIND_COMPONENTS AND NOT TARGET scca::op_check)
  find_dependency(doctest)
  add_library(scca::op_check INTERFACE IMPORTED ${_scca_global})
  if(NOT _scca_global)
    set(_scca_sources ${CMAKE_CURRENT_LIST_DIR})
  endif()
  target_sources(scca::op_check INTERFACE ${_scca_sources}/tests/op_check.cpp ${_scca_sources}/tests/main.cpp)
  target_include_directories(scca::op_check INTERFACE ${_scca_sources})
  target_link_libraries(scca::op_check INTERFACE scca::core doctest::doctest)
endif()
list(REMOVE_ITEM CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
