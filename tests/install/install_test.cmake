# Installs the build into a fresh folder, builds a program against it with find_package(scanmf), and runs it on two
# ranks.
#   cmake -D BUILD=… -D BUILD_TYPE=… -D SOURCE=… -D DATA=… -D MPIEXEC=… -D README=… -P install_test.cmake
string(RANDOM LENGTH 12 suffix)
set(folder ${BUILD}/install-test-${suffix})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    file(REMOVE_RECURSE ${folder})
    string(JOIN " " command ${ARGN})
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${folder}/prefix)
run(${folder}/prefix/bin/scanmf --version)
run(${CMAKE_COMMAND} -G Ninja -S ${SOURCE}/consumer -B ${folder}/build -D CMAKE_PREFIX_PATH=${folder}/prefix
    -D CMAKE_BUILD_TYPE=${BUILD_TYPE})
run(${CMAKE_COMMAND} --build ${folder}/build)
run(${MPIEXEC} -n 2 ${folder}/build/parts ${DATA}/golden.h5:/cases/cd_dense_none/X)
file(REMOVE_RECURSE ${folder})
# What scikit-learn's NMF(3, init="random", random_state=0, max_iter=500, alpha_W=0.01) gives, and its transform of W·H.
if(NOT output MATCHES "293 iterations, error 2\\.798961, H is 3 x 20; rank 0 has [0-9]+ rows of W, \
W\\(0, 0\\) = 0\\.380423, again 0\\.376961")
  message(FATAL_ERROR "unexpected output of the program: ${output}")
endif()

# README shows this very program.
file(READ ${SOURCE}/consumer/parts.cpp program)
file(READ ${README} readme)
string(FIND "${readme}" "${program}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "the C++ example in README.md is not tests/install/consumer/parts.cpp")
endif()
