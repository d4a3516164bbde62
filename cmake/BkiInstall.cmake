# make install: the program, both libraries, headers, a CMake package, a pkg-config file.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bki)

# The CUDA module lies beside the libraries; program and shared library look for it there, wherever that is moved to.
file(RELATIVE_PATH to_libraries ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set_target_properties(bki PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
set_target_properties(bki_shared PROPERTIES INSTALL_RPATH "$ORIGIN")

install(TARGETS bki RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS bki_static bki_shared EXPORT bkiTargets)
install(DIRECTORY include/bki DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(PROGRAMS tools/export_pytorch.py DESTINATION ${CMAKE_INSTALL_DATADIR}/bki)
install(EXPORT bkiTargets NAMESPACE bki:: DESTINATION ${package_dir} FILE bkiConfig.cmake)
write_basic_package_version_file(bkiConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bkiConfigVersion.cmake DESTINATION ${package_dir})

configure_file(cmake/bki.pc.in bki.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bki.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The CUDA backend, where it was built: the program opens it when it is asked for.
if(TARGET bki_cuda)
  install(TARGETS bki_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
