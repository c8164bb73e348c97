#include <csignal>
#include <cstdio>
#include <new>

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "hadal/core/memory.h"
#include "hadal/core/stop.h"

#include "cli/verb.h"

namespace {

using namespace hadal;
using namespace hadal::cli;

std::string overview() {
  std::string out = "hadal trains, scores and runs deep-learning models.\n\n";
  for (const auto& verb : verbs()) out += fmt::format("  hadal {:<46} {}\n", verb.usage, verb.about);
  out +=
      "\n  hadal VERB --help                                    all settings of a verb\n"
      "  hadal --version\n\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.\n";
  return out;
}

bool is_help(const std::string& word) { return word == "--help" || word == "-h" || word == "help"; }

int run(std::vector<std::string> arguments) {
  if (arguments.empty() || is_help(arguments[0])) {
    fmt::print("{}", overview());
    std::fflush(stdout);
    if (arguments.empty()) fail_usage("say what to do: hadal train demo, for example");
    return 0;
  }
  if (arguments[0] == "--version") {
    fmt::print("hadal {}\n", HADAL_VERSION);
    return 0;
  }
  std::vector<std::string> names;
  for (const auto& verb : verbs()) {
    names.push_back(verb.name);
    if (verb.name != arguments[0]) continue;
    arguments.erase(arguments.begin());
    const auto asked =
        std::erase_if(arguments, [](const std::string& word) { return word == "--help" || word == "-h"; });
    auto words = read_words(arguments);
    if (!asked) return verb.run(std::move(words));
    fmt::print("hadal {}\n{}.\n\n{}", verb.usage, verb.about, verb.help(words));
    return 0;
  }
  fail_usage("there is no verb \"{}\"{}; hadal --help lists them", arguments[0], suggest(arguments[0], names));
}

int report(int code, const std::string& text) {
  std::fputs(fmt::format("hadal: {}\n", text).c_str(), stderr);  // where that fails, too, there is only the code
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error that says so, not a sudden end
  hadal::tune_allocator();
  hadal::throw_when_out_of_memory();
  try {
    const auto code = run({argv + 1, argv + argc});
    const bool printed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    return printed || code != 0 ? code : report(1, "what it printed could not be written");
  } catch (const hadal::Stopped&) {
    return hadal::cli::kInterrupted;
  } catch (const UsageError& error) {
    return report(2, error.what());
  } catch (const Error& error) {
    return report(1, error.what());
  } catch (const c10::Error& error) {
    return report(1, error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return report(1, "out of memory; a smaller batch or picture size helps");
  } catch (const std::exception& error) {
    return report(1, error.what());
  }
}
