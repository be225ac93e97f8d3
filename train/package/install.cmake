# cmake --install: the program, the headers under include/scca, and the folders' objects with what find_package(scca)
# needs. No path of this machine is written anywhere, so the prefix may be moved. scca-config.cmake says what is offered;
# it is told here whether there are CUDA kernels, and for which devices.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/scca)

install(TARGETS scca)
foreach(folder ${SCCA_FOLDERS})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION include/scca FILES_MATCHING PATTERN "*.h" PATTERN "*.cuh"
          PATTERN demo EXCLUDE PATTERN package EXCLUDE PATTERN commands EXCLUDE PATTERN examples EXCLUDE)
endforeach()
# The op harness goes as source: it needs doctest, which only a user's tests have.
install(FILES tests/op_check.h tests/op_check.cpp tests/main.cpp DESTINATION ${package}/tests)

# A set per folder: one that uses ops alone is not asked for SentencePiece.
set_target_properties(scca_settings PROPERTIES EXPORT_NAME settings)
install(TARGETS scca_settings EXPORT scca-core)
foreach(folder ${SCCA_FOLDERS} cli)
  set_target_properties(scca_${folder} PROPERTIES EXPORT_NAME ${folder}_objects)
  install(TARGETS scca_${folder} EXPORT scca-${folder} OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}/scca)
  if(TARGET scca_${folder}_kernels)
    set_target_properties(scca_${folder}_kernels PROPERTIES EXPORT_NAME ${folder}_kernels)
    install(TARGETS scca_${folder}_kernels EXPORT scca-${folder} OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}/scca)
  endif()
  install(EXPORT scca-${folder} NAMESPACE scca:: DESTINATION ${package})
endforeach()

write_basic_package_version_file(${PROJECT_BINARY_DIR}/scca-config-version.cmake VERSION ${PROJECT_VERSION}
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scca-config.cmake train/package/FindSentencePiece.cmake train/package/Finddnnl.cmake
        train/package/FindPCRE2.cmake train/package/Findutf8proc.cmake train/package/Findzstd.cmake
        ${PROJECT_BINARY_DIR}/scca-config-version.cmake DESTINATION ${package})
