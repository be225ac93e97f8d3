# PCRE2's own CMake package has come in three forms, and Debian 12's libpcre2-dev has none. Used by this build, and installed
# for those that use the library. Gives PCRE2::PCRE2, the library for 8-bit characters, and PCRE2_VERSION.
find_library(PCRE2_LIBRARY pcre2-8)
find_path(PCRE2_INCLUDE pcre2.h)
mark_as_advanced(PCRE2_LIBRARY PCRE2_INCLUDE)

set(PCRE2_VERSION unknown)
if(PCRE2_INCLUDE)
  file(STRINGS "${PCRE2_INCLUDE}/pcre2.h" _numbers REGEX "^#define PCRE2_(MAJOR|MINOR) ")
  string(REGEX REPLACE "[^;0-9]*PCRE2_[A-Z]+ *([0-9]+)" "\\1" _numbers "${_numbers}")
  string(REPLACE ";" "." PCRE2_VERSION "${_numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(PCRE2 REQUIRED_VARS PCRE2_LIBRARY PCRE2_INCLUDE VERSION_VAR PCRE2_VERSION)
if(PCRE2_FOUND AND NOT TARGET PCRE2::PCRE2)
  add_library(PCRE2::PCRE2 UNKNOWN IMPORTED)
  set_target_properties(PCRE2::PCRE2 PROPERTIES IMPORTED_LOCATION "${PCRE2_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${PCRE2_INCLUDE}")
endif()
