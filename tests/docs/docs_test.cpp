// What the documentation says is there: verbs, recipes and make's targets in its commands, files behind its links, and
// the blocks that scripts/docs makes.
#include <cstdio>
#include <regex>
#include <set>
#include <sstream>

#include <sys/wait.h>

#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> pages() {
  std::vector<fs::path> found = {source() / "README.md", source() / "CONTRIBUTING.md"};
  for (const auto& entry : fs::recursive_directory_iterator(source() / "docs"))
    if (entry.path().extension() == ".md") found.push_back(entry.path());
  return found;
}

std::string shown(const fs::path& page) { return fs::relative(page, source()).string(); }

std::string program() {
  const char* path = std::getenv("HADAL_PROGRAM");
  return path ? path : (source() / "build/hadal").string();
}

struct Said {
  std::string text;
  int code = -1;
};

/// What a shell command prints, on both streams.
Said say(const std::string& command) {
  Said said;
  auto* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) throw Error("cannot run " + command);
  char buffer[4096];
  while (const auto read = std::fread(buffer, 1, sizeof buffer, pipe)) said.text.append(buffer, read);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) said.code = WEXITSTATUS(status);
  return said;
}

/// Every match of `pattern` in the lines of `text`.
std::vector<std::smatch> matches(const std::string& text, const std::regex& pattern) {
  return {std::sregex_iterator(text.begin(), text.end(), pattern), std::sregex_iterator()};
}

/// Commands are lines of code blocks and code within a sentence; other lines of blocks are output or settings.
std::string commands(const std::string& page) {
  std::string out;
  bool inside = false;
  std::istringstream lines(page);
  static const std::regex within("`([^`]+)`"), prompt("^ *(\\$ )?");
  for (std::string line; std::getline(lines, line);) {
    if (line.find("```") != std::string::npos)
      inside = !inside;
    else if (inside)
      out += std::regex_replace(line, prompt, "") + "\n";
    else
      for (const auto& code : matches(line, within)) out += code[1].str() + "\n";
  }
  return out;
}

/// The verb behind `hadal`, and the plain word behind that, in each of a page's commands.
struct Command {
  std::string verb, what;
};
std::vector<Command> hadal_commands(const std::string& page) {
  static const std::regex pattern("(?:^|\n)(?:\\S*/)?hadal +([a-z]+)(?= |\n|$)(?: +([a-z0-9-]+)(?= |\n|$))?");
  const auto text = commands(page);
  std::vector<Command> out;
  for (const auto& match : matches(text, pattern)) out.push_back({match[1], match[2]});
  return out;
}

}  // namespace

TEST(Docs, EveryVerbAndRecipeExists) {
  const auto help = say(program() + " --help");
  ASSERT_EQ(help.code, 0) << help.text;
  std::set<std::string> verbs, seen;
  for (const auto& match : matches(help.text, std::regex("\n  hadal ([a-z]+)"))) verbs.insert(match[1]);
  for (const auto& page : pages())
    for (const auto& [verb, what] : hadal_commands(read_file(page))) {
      EXPECT_TRUE(verbs.contains(verb)) << shown(page) << " says hadal " << verb;
      if ((verb == "train" || verb == "recipes") && !what.empty() && !what.starts_with("--"))
        EXPECT_TRUE(fs::exists(source() / "recipes" / (what + ".toml"))) << shown(page) << " names the recipe " << what;
      seen.insert(verb);
    }
  EXPECT_EQ(seen, verbs) << "every verb is shown somewhere";
  for (const auto& verb : verbs) EXPECT_TRUE(fs::exists(source() / "docs/verbs" / (verb + ".md"))) << verb;
}

TEST(Docs, EveryTargetOfMakeExists) {
  const auto makefile = read_file(source() / "Makefile");
  static const std::regex pattern("(?:^|\n)make ([a-z-]+)(?= |\n|$)");
  size_t seen = 0;
  for (const auto& page : pages()) {
    const auto text = commands(read_file(page));
    for (const auto& match : matches(text, pattern)) {
      EXPECT_NE(makefile.find("\n" + match[1].str() + ":"), std::string::npos)
          << shown(page) << " says make " << match[1];
      ++seen;
    }
  }
  EXPECT_GT(seen, 5U);
}

TEST(Docs, EveryLinkLeadsToAFile) {
  static const std::regex link("\\[[A-Za-z!][^\\]]*\\]\\(([^)#\\s]+)[^)]*\\)"), elsewhere("^[a-z]+:.*");
  size_t seen = 0;
  for (const auto& page : pages()) {
    const auto text = read_file(page);
    for (const auto& match : matches(text, link)) {
      if (std::regex_match(match[1].str(), elsewhere)) continue;
      EXPECT_TRUE(fs::exists(page.parent_path() / match[1].str())) << shown(page) << " links to " << match[1];
      ++seen;
    }
  }
  EXPECT_GT(seen, 20U);
}

TEST(Docs, WhatComesFromTheProgramIsUpToDate) {
  const auto said = say((source() / "scripts/docs").string() + " --check " + program());
  EXPECT_EQ(said.code, 0) << said.text;
}
