# oneDNN: by its CMake package where it installs one (it does so as dnnl, on Debian, Fedora and in conda), else by header and
# library (PyPI's wheels). Used by this build, and installed for those that use the library. Gives DNNL::dnnl and dnnl_VERSION.
# The package's own version file refuses a range over two major numbers, and without a number here it would be asked for that.
foreach(_dnnl_major 3 2)
  if(NOT TARGET DNNL::dnnl)
    find_package(dnnl ${_dnnl_major} CONFIG QUIET)
  endif()
endforeach()
if(TARGET DNNL::dnnl)
  get_target_property(_dnnl_includes DNNL::dnnl INTERFACE_INCLUDE_DIRECTORIES)
  set(dnnl_LIBRARY DNNL::dnnl)
else()
  find_library(dnnl_LIBRARY NAMES dnnl mkldnn)
  find_path(dnnl_INCLUDE dnnl.hpp)
  mark_as_advanced(dnnl_LIBRARY dnnl_INCLUDE)
  set(_dnnl_includes "${dnnl_INCLUDE}")
endif()

set(dnnl_VERSION "")
find_file(dnnl_VERSION_HEADER NAMES oneapi/dnnl/dnnl_version.h HINTS ${_dnnl_includes})
mark_as_advanced(dnnl_VERSION_HEADER)
if(dnnl_VERSION_HEADER)
  file(STRINGS "${dnnl_VERSION_HEADER}" _dnnl_lines REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  string(REGEX REPLACE "[^0-9;]" "" _dnnl_numbers "${_dnnl_lines}")
  string(REPLACE ";" "." dnnl_VERSION "${_dnnl_numbers}")
  # Intel's own builds, PyPI's onednn among them, may have their threads from TBB or SYCL: then there is no OpenMP to share.
  get_filename_component(_dnnl_folder "${dnnl_VERSION_HEADER}" DIRECTORY)
  file(STRINGS "${_dnnl_folder}/dnnl_config.h" _dnnl_threads
       REGEX "define DNNL_CPU_RUNTIME DNNL_RUNTIME_(OMP|SEQ|THREADPOOL|TBB|SYCL)")
  if(_dnnl_threads AND NOT _dnnl_threads MATCHES "_OMP")
    string(REGEX REPLACE ".*RUNTIME_" "" _dnnl_threads "${_dnnl_threads}")
    string(CONCAT _dnnl_reason "the oneDNN in ${_dnnl_folder} was built for ${_dnnl_threads}, expected OMP (of PyPI's take "
           "onednn-cpu-gomp and onednn-devel-cpu-gomp)")
    set(dnnl_LIBRARY "")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(dnnl REQUIRED_VARS dnnl_LIBRARY dnnl_VERSION_HEADER VERSION_VAR dnnl_VERSION
                                  HANDLE_VERSION_RANGE REASON_FAILURE_MESSAGE "${_dnnl_reason}")
if(dnnl_FOUND AND NOT TARGET DNNL::dnnl)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${dnnl_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${dnnl_INCLUDE}")
endif()
