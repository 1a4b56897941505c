# Writes OUTPUT, a header that says which commit SOURCE is: cmake -D SOURCE=… -D OUTPUT=… -D GIT=… -P commit.cmake
# Without git, in a folder that is no working copy of its own (a release unpacked within another project's): unknown.
set(commit unknown)
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=* RESULT_VARIABLE status
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(status EQUAL 0)
    set(commit ${found})
  endif()
endif()
set(text "#pragma once\n\nnamespace scanmf::app {\nconstexpr const char* commit = \"${commit}\";\n}\n")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT "${text}" STREQUAL "${before}")  # else nothing is compiled again
  file(WRITE ${OUTPUT} "${text}")
endif()
