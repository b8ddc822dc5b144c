#include "faas-cli/image_words.h"

#include <doctest/doctest.h>

#include "faas-cli/failure.h"

using cli::command_words;
using cli::Failure;
using cli::full_tag;
using cli::key_and_value;
using cli::source_date_epoch;
using Words = std::vector<std::string>;

TEST_CASE("a command is one word, or a JSON list of words") {
  CHECK(command_words("--cmd", "/app") == Words{"/app"});
  CHECK(command_words("--cmd", "$HOME;*") == Words{"$HOME;*"});
  CHECK(command_words("--cmd", R"(["/my app", "-v", ""])") == Words{"/my app", "-v", ""});
}

TEST_CASE("a shell's line and a broken list are refused, with the way to write them") {
  for (const char* text :
       {"python3 app.py", "a\tb", "", "[", "[]", "[1]", R"(["a")", R"(["a"] b)", R"([["a"]])"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(command_words("--entrypoint", text), Failure);
  }
  try {
    command_words("--entrypoint", "python3 app.py");
  } catch (const Failure& failure) {
    CHECK(std::string(failure.what()).find(R"(--entrypoint '["/app", "-v"]')") !=
          std::string::npos);
    CHECK(failure.exit_code() == cli::ExitCode::usage);
  }
}

TEST_CASE("a key ends at the first equals sign, and neither may be missing") {
  CHECK(key_and_value("--label", "a=b=c") == std::pair<std::string, std::string>("a", "b=c"));
  CHECK(key_and_value("--label", "a=") == std::pair<std::string, std::string>("a", ""));
  CHECK_THROWS_WITH_AS(key_and_value("--env", "FOO"), "--env 'FOO' is not KEY=VALUE", Failure);
  CHECK_THROWS_AS(key_and_value("--label", "=b"), Failure);
  CHECK_THROWS_AS(key_and_value("--label", ""), Failure);
}

TEST_CASE("a name without a tag is the latest") {
  CHECK(full_tag("app") == "app:latest");
  CHECK(full_tag("app:2.0_rc-1") == "app:2.0_rc-1");
  CHECK(full_tag("team/app") == "team/app:latest");
  CHECK(full_tag("localhost:5000/app") == "localhost:5000/app:latest");
  CHECK(full_tag("Example.org:5000/team/my_app:V1") == "Example.org:5000/team/my_app:V1");
}

TEST_CASE("what docker load would refuse is no name") {
  for (const std::string text :
       {"", ":", "app:", ":tag", "App", "app/", "/app", "a//b", "-app", "app-", "a b", "app:.x",
        "app:a/b", "app@sha256:00", "../app", "app:\xc3\xa9"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(full_tag(text), Failure);
  }
  CHECK_THROWS_AS(full_tag("app:" + std::string(129, 'a')), Failure);
  CHECK_THROWS_AS(full_tag(std::string(256, 'a')), Failure);
}

TEST_CASE("an epoch is a number of seconds, and nothing beside it") {
  CHECK(source_date_epoch("0") == 0);
  CHECK(source_date_epoch("1500000000") == 1'500'000'000);
  for (const char* text :
       {"", "-1", "+1", "1.5", "1 ", "now", "253402300800", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(source_date_epoch(text), Failure);
  }
}
