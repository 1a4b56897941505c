#include "parallel/library_name.hpp"

#include <gtest/gtest.h>

namespace scanmf {
namespace {

TEST(LibraryName, IsNameAndVersionInOneLine) {
  EXPECT_EQ(library_name("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022"),
            "Open MPI v4.1.4");
  EXPECT_EQ(library_name("MPICH Version:\t4.0.2\nMPICH Release date:\tThu Apr  7 12:34:45 CDT 2022\n"), "MPICH 4.0.2");
  EXPECT_EQ(library_name("MVAPICH2 Version      :\t2.3.7\nMVAPICH2 Release date :\tWed March 02"), "MVAPICH2 2.3.7");
  EXPECT_EQ(library_name("Intel(R) MPI Library 2021.9 for Linux* OS\n"), "Intel(R) MPI Library 2021.9 for Linux* OS");
  EXPECT_EQ(library_name(""), "");
}

}  // namespace
}  // namespace scanmf
