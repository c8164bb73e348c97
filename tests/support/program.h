// The program itself, run as a user runs it: arguments in, exit code and what it printed out.
#pragma once
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hadal/io/file.h"

#include "tests/support/support.h"

namespace hadal::test {

/// build/hadal, or what HADAL_PROGRAM names.
inline std::string program() {
  const char* path = std::getenv("HADAL_PROGRAM");
  return path ? path : (source() / "build/hadal").string();
}

struct Ran {
  int code = -1;  // the exit code, or 128 and the signal
  std::string out, err;
};

/// One run of the program, in `folder`; its output goes to files there.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, std::filesystem::path folder, int64_t largest_file = -1)
      : folder_(std::move(folder)) {
    const auto path = program(), in = folder_.string(), out = (folder_ / "stdout").string(),
               err = (folder_ / "stderr").string();
    std::vector<const char*> words = {path.c_str()};
    for (const auto& argument : arguments) words.push_back(argument.c_str());
    words.push_back(nullptr);
    id_ = ::fork();
    if (id_ != 0) return;
    // Only what is safe after a fork of a program with threads.
    const int to_out = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int to_err = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(to_out, 1);
    ::dup2(to_err, 2);
    if (::chdir(in.c_str()) != 0) ::_exit(126);
    if (largest_file >= 0) {
      const rlimit limit{static_cast<rlim_t>(largest_file), static_cast<rlim_t>(largest_file)};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ::execv(path.c_str(), const_cast<char**>(words.data()));
    ::_exit(127);
  }
  ~Process() {
    if (id_ <= 0) return;
    signal(SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const { ::kill(id_, number); }
  /// Waits until `ready` or the end of the program; false when it ended first.
  bool wait_until(const std::function<bool()>& ready) {
    while (!ready()) {
      int status = 0;
      if (::waitpid(id_, &status, WNOHANG) == id_) return id_ = 0, status_ = status, ready();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  Ran wait() {
    if (id_ > 0) ::waitpid(id_, &status_, 0);
    id_ = 0;
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_), read_file(folder_ / "stdout"),
            read_file(folder_ / "stderr")};
  }

 private:
  std::filesystem::path folder_;
  pid_t id_ = 0;
  int status_ = 0;
};

/// The program in a folder of its own, to the end.
inline Ran run_program(const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  return Process(arguments, folder).wait();
}

/// Failed as a program should: the right exit code, and one line that says what is wrong, for people.
inline void expect_mistake(const Ran& ran, int code, const std::string& text) {
  EXPECT_EQ(ran.code, code) << ran.err;
  EXPECT_TRUE(ran.err.starts_with("hadal: ")) << ran.err;
  EXPECT_THAT(ran.err, testing::HasSubstr(text));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  for (const auto* trace : {"frame #", "Exception raised from", ".cpp:", "terminate called", "std::"})
    EXPECT_THAT(ran.err, testing::Not(testing::HasSubstr(trace)));
}

}  // namespace hadal::test
