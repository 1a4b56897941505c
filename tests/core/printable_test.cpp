#include "core/printable.hpp"

#include <gtest/gtest.h>

namespace scanmf {
namespace {

using namespace std::string_literals;

TEST(Printable, TextStaysAsItIs) {
  for (const std::string& text : {"model.h5"s, "a b\\c'd\"e"s, "Käse ∑ 😀"s, ""s}) EXPECT_EQ(printable(text), text);
}

TEST(Printable, ControlCharactersAreShown) {
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(printable("end\0more"s), "end\\x00more");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J");  // the one-character form of ESC [
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "5h.m"),
            "\\xe2\\x80\\xae5h.m");  // right to left from here on
}

TEST(Printable, WhatIsNoUtf8IsShownByteByByte) {
  EXPECT_EQ(printable("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half of a surrogate pair
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("a\xf0\x9f"), "a\\xf0\\x9f");  // cut short
}

}  // namespace
}  // namespace scanmf
