# Debian 12 packages; docker/packages.txt is the list that installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.35)

# bki_find_library(<target> <header> <library> <package>): for libraries without a .pc file.
function(bki_find_library target header library package)
  find_path(${target}_INCLUDE ${header})
  find_library(${target}_LIBRARY ${library})
  if(NOT ${target}_INCLUDE OR NOT ${target}_LIBRARY)
    message(FATAL_ERROR "${header} and lib${library} not found: install ${package}")
  endif()
  add_library(${target} INTERFACE IMPORTED)
  target_include_directories(${target} INTERFACE ${${target}_INCLUDE})
  target_link_libraries(${target} INTERFACE ${${target}_LIBRARY})
endfunction()
bki_find_library(libcsv csv.h csv libcsv-dev)
bki_find_library(libunistring unicase.h unistring libunistring-dev)

# Version 3 of Chart.js; a file of JavaScript, which the program embeds.
find_file(CHART_JS chart.min.js PATHS /usr/share/javascript/chart.js)
if(NOT CHART_JS)
  message(FATAL_ERROR "chart.min.js not found: install libjs-chart.js")
endif()
