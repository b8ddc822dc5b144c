#include "faas-cli/terminal.h"

#include <doctest/doctest.h>

#include <string>

using cli::printable;

TEST_CASE("plain text and characters of other scripts stay as they are") {
  for (const char* text :
       {"", "hello", "a b\"'\\", "h\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x90\xb3"}) {
    CHECK(printable(text) == text);
  }
}

TEST_CASE("control characters are shown instead of obeyed") {
  CHECK(printable("\x1b[2J") == "\\x1b[2J");
  CHECK(printable("a\nb\r\tc") == "a\\x0ab\\x0d\\x09c");
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\x7f") == "\\x7f");
  // U+009B is a control sequence introducer of its own.
  CHECK(printable("\xc2\x9b"
                  "2J") == "\\x9b2J");
}

TEST_CASE("marks that turn the order of text around are shown") {
  CHECK(printable("a\xe2\x80\xae"
                  "b") == "a\\u{202e}b");
  CHECK(printable("\xe2\x81\xa6") == "\\u{2066}");
  CHECK(printable("\xe2\x80\xa8") == "\\u{2028}");
}

TEST_CASE("bytes that are no UTF-8 are shown one by one") {
  const char* const table[][2] = {
      {"\xff", "\\xff"},                             // never a lead byte
      {"\x80", "\\x80"},                             // a continuation without a lead
      {"\xc0\xaf", "\\xc0\\xaf"},                    // overlong '/'
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},           // overlong in three bytes
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // a surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // above U+10FFFF
      {"\xf0\x80\x80\x9b", "\\xf0\\x80\\x80\\x9b"},  // overlong control character
      {"\xc3", "\\xc3"},                             // cut off
      {"\xe2\x80", "\\xe2\\x80"},
      {"\xc3(", "\\xc3("},
  };
  for (const auto& [text, shown] : table) CHECK(printable(text) == shown);
}

TEST_CASE("columns are characters, not bytes") {
  CHECK(cli::column_count("") == 0);
  CHECK(cli::column_count("abc") == 3);
  CHECK(cli::column_count("h\xc3\xa9") == 2);
}
