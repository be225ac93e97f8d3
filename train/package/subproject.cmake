# Within another project: the targets of an installed scca, by the very file that makes them there, over the objects of this
# build. They are seen from everywhere in the project.
foreach(folder ${SCCA_FOLDERS} cli)
  add_library(scca::${folder}_objects ALIAS scca_${folder})
  if(TARGET scca_${folder}_kernels)
    add_library(scca::${folder}_kernels ALIAS scca_${folder}_kernels)
  endif()
endforeach()

set(scca_FIND_COMPONENTS "")
find_package(doctest QUIET)
if(doctest_FOUND)
  set(scca_FIND_COMPONENTS cli op_check)
endif()
set(_scca_sources ${PROJECT_SOURCE_DIR})
include(${PROJECT_BINARY_DIR}/scca-config.cmake)
set(scca_CUDA ${scca_CUDA} PARENT_SCOPE)
set(scca_FOUND TRUE PARENT_SCOPE)
set(scca_VERSION ${PROJECT_VERSION} PARENT_SCOPE)
