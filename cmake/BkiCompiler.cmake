# How everything is compiled, and the function that makes a layer.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_definitions(_GNU_SOURCE)
# No contraction: the same expression gives the same number in every function that holds it.
set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2
             -ffp-contract=off)
set(c_warnings -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition)
if(BKI_WERROR)
  list(APPEND warnings -Werror)
endif()
add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${warnings}>" "$<$<COMPILE_LANGUAGE:C>:${c_warnings}>")
if(BKI_SANITIZE)
  add_compile_options(-fsanitize=${BKI_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BKI_SANITIZE})
endif()
if(BKI_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(BKI_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# bki_add_layer(<name> SOURCES ... [USES <lower layers, libraries>...]): one target a layer. Its directory is visible to
# the layers above and to nothing below, so that an upward include does not compile.
function(bki_add_layer name)
  cmake_parse_arguments(LAYER "" "" "SOURCES;USES" ${ARGN})
  add_library(bki_${name} OBJECT ${LAYER_SOURCES})
  target_include_directories(bki_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(bki_${name} PUBLIC ${LAYER_USES})
endfunction()
