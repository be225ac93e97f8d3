# SentencePiece installs no CMake package, and tells its version to pkg-config only. Used by this build, and installed
# for those that use the library. Gives SentencePiece::SentencePiece and SentencePiece_VERSION. Looked for where CMake looks
# (CMAKE_PREFIX_PATH), then where pkg-config says.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(_sentencepiece QUIET sentencepiece)
endif()
find_library(SENTENCEPIECE_LIBRARY sentencepiece HINTS ${_sentencepiece_LIBRARY_DIRS})
find_path(SENTENCEPIECE_INCLUDE sentencepiece_processor.h HINTS ${_sentencepiece_INCLUDE_DIRS})
mark_as_advanced(SENTENCEPIECE_LIBRARY SENTENCEPIECE_INCLUDE)

# The library that was found may be another than pkg-config's: its own file counts.
set(SentencePiece_VERSION unknown)
get_filename_component(_folder "${SENTENCEPIECE_LIBRARY}" DIRECTORY)
if(EXISTS "${_folder}/pkgconfig/sentencepiece.pc")
  file(STRINGS "${_folder}/pkgconfig/sentencepiece.pc" SentencePiece_VERSION REGEX "^Version:")
  string(REGEX REPLACE "^Version: *" "" SentencePiece_VERSION "${SentencePiece_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SentencePiece REQUIRED_VARS SENTENCEPIECE_LIBRARY SENTENCEPIECE_INCLUDE)
if(SentencePiece_FOUND AND NOT TARGET SentencePiece::SentencePiece)
  add_library(SentencePiece::SentencePiece UNKNOWN IMPORTED)
  set_target_properties(SentencePiece::SentencePiece PROPERTIES IMPORTED_LOCATION "${SENTENCEPIECE_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${SENTENCEPIECE_INCLUDE}")
endif()
