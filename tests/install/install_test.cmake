# Installs the build into a fresh folder, builds the programs that README.md and src/docs/cpp.md print against it with
# find_package(scanmf) and with pkg-config alone, runs them on two ranks, and looks at what else is installed.
#   cmake -D BUILD=… -D BUILD_TYPE=… -D SOURCE=… -D DATA=… -D MPIEXEC=… -D PROJECT=… -D COMPILER=… -D FLAGS=…
#         -D LIBRARIES=lib/… -D PYTHON=… -P install_test.cmake
string(RANDOM LENGTH 12 suffix)
set(folder ${BUILD}/install-test-${suffix})

function(fail message)
  file(REMOVE_RECURSE ${folder})
  message(FATAL_ERROR "${message}")
endfunction()

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(JOIN " " command ${ARGN})
    fail("${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# What scikit-learn's NMF(3, init="random", random_state=0, max_iter=500, alpha_W=0.01) gives, and its transform of W·H.
set(expected "293 iterations, error 2\\.798961, H is 3 x 20; rank 0 has [0-9]+ rows of W, \
W\\(0, 0\\) = 0\\.380423, again 0\\.376961")
function(check_program program)
  run(${MPIEXEC} -n 2 ${program} ${DATA}/golden.h5:/cases/cd_dense_none/X)
  if(NOT output MATCHES "${expected}")
    fail("unexpected output of ${program}: ${output}")
  endif()
  execute_process(COMMAND ${MPIEXEC} -n 2 ${program} missing.h5
                  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX MATCHALL "parts: error: [^\n]*missing\\.h5[^\n]*\n" errors "${output}")
  list(LENGTH errors count)
  if(NOT status EQUAL 1 OR NOT count EQUAL 1 OR output MATCHES "terminate called")
    fail("${program} of a missing file ended with ${status}: ${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${folder}/first)
file(RENAME ${folder}/first ${folder}/prefix)  # nothing may know where it was put first
set(prefix ${folder}/prefix)

run(${prefix}/bin/scanmf --version)
foreach(line "scanmf [0-9.]+" "commit +[0-9a-z]" "build type +${BUILD_TYPE}" "compiler +[A-Z]" "MPI +[A-Z]" "HDF5 +1\\."
        "BLAS +[A-Z]" "instruction set +[A-Z0-9_]+ ")
  if(NOT output MATCHES "(^|\n)${line}")
    fail("--version says nothing like '${line}': ${output}")
  endif()
endforeach()

foreach(file doc/scanmf/LICENSE doc/scanmf/CHANGELOG.md doc/scanmf/CITATION.cff man/man1/scanmf-fit.1
        bash-completion/completions/scanmf scanmf/scripts/plot_model.py scanmf/scripts/report.py
        scanmf/configs/fit_topics.conf scanmf/slurm/fit.sbatch)
  if(NOT EXISTS ${prefix}/share/${file})
    fail("${file} is not installed")
  endif()
endforeach()
run(${PYTHON} ${SOURCE}/manual_test.py ${prefix})
run(${PYTHON} ${PROJECT}/tests/scripts/check_links.py ${prefix}/share/doc/scanmf)
# The scripts find all that they import; those that draw, the package.
file(GLOB python_folder ${prefix}/lib/python3*/*-packages)
set(scripts known_groups report)
if(python_folder)
  set(ENV{PYTHONPATH} ${python_folder})
  list(APPEND scripts plot_model plot_ensemble)
endif()
foreach(script ${scripts})
  run(${PYTHON} -B ${prefix}/share/scanmf/scripts/${script}.py --help)
endforeach()

# pkg-config alone says how to compile.
set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBRARIES}/pkgconfig)
run(sh -c "${COMPILER} ${FLAGS} ${SOURCE}/consumer/parts.cpp -o ${folder}/parts \
$(pkg-config --cflags --libs scanmf)")
set(ENV{LD_LIBRARY_PATH} ${prefix}/${LIBRARIES})
check_program(${folder}/parts)

# The smallest program, on the file that README.md makes.
run(sh -c "${COMPILER} ${FLAGS} ${SOURCE}/consumer/factor.cpp -o ${folder}/factor \
$(pkg-config --cflags --libs scanmf)")
run(${prefix}/bin/scanmf generate --n-samples 20000 --n-features 500 -k 10 --random-state 0 -o ${folder}/X.h5)
run(${CMAKE_COMMAND} -E chdir ${folder} ${MPIEXEC} -n 2 ${folder}/factor)
if(NOT output MATCHES "34 iterations, error 61\\.82")
  fail("unexpected output of factor: ${output}")
endif()

# The printed CMake, under project(parts CXX).
run(${CMAKE_COMMAND} -G Ninja -S ${SOURCE}/consumer -B ${folder}/build -D CMAKE_PREFIX_PATH=${prefix}
    -D CMAKE_BUILD_TYPE=${BUILD_TYPE} -D CMAKE_CXX_COMPILER=${COMPILER})
run(${CMAKE_COMMAND} --build ${folder}/build)
check_program(${folder}/build/parts)

# The module finds its folders wherever it lies.
find_program(MODULECMD NAMES modulecmd.tcl PATHS /usr/lib/x86_64-linux-gnu /usr/share/modules/libexec)
if(NOT MODULECMD)
  fail("no modulecmd: it comes with scripts/install_packages.sh checks")
endif()
run(sh -c "MODULEPATH=${prefix}/share/modulefiles ${MODULECMD} sh load scanmf")
if(NOT output MATCHES "SCANMF=${prefix}/bin/scanmf")
  fail("module load scanmf: ${output}")
endif()
file(REMOVE_RECURSE ${folder})

# The pages show these very programs and this project.
foreach(shown README.md:factor.cpp src/docs/cpp.md:parts.cpp src/docs/cpp.md:CMakeLists.txt)
  string(REPLACE ":" ";" shown ${shown})
  list(GET shown 0 page)
  list(GET shown 1 file)
  file(READ ${PROJECT}/${page} printed)
  file(READ ${SOURCE}/consumer/${file} text)
  string(FIND "${printed}" "${text}" place)
  if(place EQUAL -1)
    fail("the C++ example in ${page} is not tests/install/consumer/${file}")
  endif()
endforeach()
