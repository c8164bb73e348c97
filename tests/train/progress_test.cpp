#include "hadal/train/progress.h"

#include <cmath>
#include <cstdlib>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hadal/core/format.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

RunState state(int64_t step, int64_t steps = 1000, int64_t epochs = 10) {
  return {step, steps, epochs, static_cast<double>(step * epochs) / static_cast<double>(steps),
          static_cast<double>(step) / 10};
}

const ProgressView kView{state(257), {{"loss", 0.1234}, {"kl", 1.5}}, 1234.4, 245};

/// A terminal or a log, with a clock that the test moves.
struct Screen {
  double time = 100;
  std::string text;
  int writes = 0;

  DisplayOptions options(bool live, size_t width = 80) {
    return {.live = live,
            .unicode = false,
            .width = [width] { return width; },
            .clock = [this] { return time; },
            .write = [this](std::string_view part) { text += part, ++writes; }};
  }
  std::string take() { return std::exchange(text, ""); }
};

/// A variable of the environment for the life of the object.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name), before_(std::getenv(name) ? std::getenv(name) : "") {
    ::setenv(name, value, 1);
  }
  ~Environment() { ::setenv(name_, before_.c_str(), 1); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::string before_;
};

/// What a terminal would show of `text`, escape sequences left out.
std::string visible(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && !std::isalpha(static_cast<unsigned char>(text[i]))) ++i;
    } else if (text[i] != '\r') {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

TEST(Progress, BarSaysWhereTheRunIs) {
  EXPECT_EQ(
      progress_bar(kView, 110, false, false),
      "epoch  3/10  #######-----------------------   25 %  loss 0.1234  kl 1.500  1,234 samples/s  4 min 05 s left");
  const auto unicode = progress_bar(kView, 110, true, true);
  EXPECT_THAT(unicode, testing::HasSubstr("━━━━━━━\x1b"));
  EXPECT_EQ(display_width(visible(unicode)), display_width(progress_bar(kView, 110, true, false)));
}

TEST(Progress, BarIsNeverWiderThanTheTerminal) {
  for (size_t width = 1; width < 140; ++width)
    for (const bool unicode : {false, true})
      EXPECT_LE(display_width(visible(progress_bar(kView, width, unicode, true))), width) << width;
  // What is worth least goes first: other losses, the rate, the bar, the loss.
  EXPECT_EQ(progress_bar(kView, 59, false, false), "epoch  3/10  ##-------   25 %  loss 0.1234  4 min 05 s left");
  EXPECT_EQ(progress_bar(kView, 50, false, false), "epoch  3/10   25 %  loss 0.1234  4 min 05 s left");
  EXPECT_EQ(progress_bar(kView, 20, false, false), "epoch  3/10   25 %");
  EXPECT_EQ(progress_bar(kView, 6, false, false), "epoch ");
}

TEST(Progress, BarIsEmptyAtTheStartAndFullAtTheEnd) {
  EXPECT_EQ(progress_bar({state(0)}, 40, false, false), "epoch  1/10  --------------------    0 %");
  EXPECT_EQ(progress_bar({state(1000)}, 40, false, false), "epoch 10/10  ####################  100 %");
  EXPECT_EQ(progress_bar({state(999)}, 40, false, false), "epoch 10/10  ###################-   99 %");
  EXPECT_NO_THROW(progress_bar({RunState{}}, 40, false, false));
}

TEST(Progress, PlainLine) {
  EXPECT_EQ(progress_line(kView),
            "epoch  3/10  step 257/1,000 (25 %)  loss 0.1234  kl 1.500  1,234 samples/s  4 min 05 s left");
  EXPECT_EQ(progress_line({state(1), {}, 3.14159, -1}), "epoch  1/10  step 1/1,000 (0 %)  3.14 samples/s");
}

TEST(Progress, EvaluationLineShowsTheScoresOfSplits) {
  EvaluationEvent event{state(300), {{"train/loss", 0.25}, {"lr", 0.001}, {"val/accuracy", 0.98}}, true};
  EXPECT_EQ(evaluation_line(event), "epoch  3/10  train/loss 0.2500  val/accuracy 0.9800  30 s  best");
}

TEST(Progress, RedrawsAtMostTenTimesASecond) {
  Screen screen;
  ProgressDisplay display(screen.options(true));
  display.on_start(state(0));
  for (int64_t step = 1; step <= 1000; ++step) {
    screen.time += 0.002;
    display.on_step({state(step), 32, {{"loss", 1}}});
  }
  EXPECT_GE(screen.writes, 18);
  EXPECT_LE(screen.writes, 20);
  EXPECT_EQ(screen.text.find('\n'), std::string::npos);
}

TEST(Progress, RateAndTimeLeftFollowTheClock) {
  Screen screen;
  ProgressDisplay display(screen.options(false));
  display.on_start(state(0));
  screen.time += 50;  // a slow first step
  for (int64_t step = 1; step <= 101; ++step) {
    display.on_step({state(step), 32, {{"loss", 1}}});
    screen.time += 0.25;
  }
  const auto lines = screen.take();
  EXPECT_THAT(lines, testing::HasSubstr("step 1/1,000 (0 %)  loss 1.000\n"));
  EXPECT_THAT(lines, testing::HasSubstr("step 41/1,000 (4 %)  loss 1.000  128 samples/s  4 min 00 s left\n"));
}

TEST(Progress, AnEvaluationCountsForTheTimeLeftNotForTheRate) {
  Screen screen;
  ProgressDisplay display(screen.options(false));
  display.on_start(state(0));
  for (int64_t step = 1; step <= 401; ++step) {
    screen.time += 0.125;
    display.on_step({state(step), 32, {{"loss", 1}}});
    if (step != 201) continue;
    screen.time += 100;
    display.on_evaluation({state(step), {{"val/loss", 1}}});
    screen.take();
  }
  EXPECT_THAT(screen.text, testing::HasSubstr("256 samples/s"));
  EXPECT_THAT(screen.text, testing::ContainsRegex("step 3[0-9]+/1,000 .* [3-5] min [0-9]+ s left"));
}

TEST(Progress, PlainLinesComeAtIntervalsThatGrow) {
  Screen screen;
  ProgressDisplay display(screen.options(false));
  display.on_start(state(0, 100000));
  int64_t minute = 0;
  for (int64_t step = 1; step <= 36000; ++step) {
    screen.time += 0.1;
    display.on_step({state(step, 100000), 32, {{"loss", 1}}});
    if (step == 600) minute = screen.writes;
  }
  EXPECT_GE(minute, 5);
  EXPECT_LT(screen.writes, 120);
  EXPECT_GT(screen.writes, 40);
  EXPECT_EQ(screen.text.find('\x1b'), std::string::npos);
  EXPECT_EQ(screen.text.find('\r'), std::string::npos);
}

TEST(Progress, LossesAreSmoothedAndNaNShowsAtOnce) {
  Screen screen;
  ProgressDisplay display(screen.options(false));
  display.on_start(state(0));
  const auto show = [&](int64_t step, double loss) {
    screen.time += 10;
    display.on_step({state(step), 1, {{"loss", loss}}});
    return screen.take();
  };
  EXPECT_THAT(show(1, 1), testing::HasSubstr("loss 1.000"));
  EXPECT_THAT(show(2, 2), testing::HasSubstr("loss 1.508"));
  EXPECT_THAT(show(3, NAN), testing::HasSubstr("loss nan"));
  EXPECT_THAT(show(4, 3), testing::HasSubstr("loss 3.000"));
}

TEST(Progress, LinesStandAboveTheLiveOne) {
  Screen screen;
  {
    ProgressDisplay display(screen.options(true));
    display.on_start(state(500));
    EXPECT_EQ(screen.take(), "going on after step 500 of 1,000\n");
    screen.time += 1;
    display.on_step({state(501), 1, {{"loss", 1}}});
    EXPECT_THAT(screen.take(), testing::StartsWith("\repoch  6/10"));
    display.on_evaluation({state(501), {{"val/loss", 0.5}}});
    EXPECT_EQ(screen.take(), "\r\x1b[Kepoch  6/10  val/loss 0.5000  50 s\n");
    screen.time += 1;
    display.on_step({state(502), 1, {{"loss", 1}}});
    display.on_end(state(502), false);
    EXPECT_THAT(screen.take(), testing::EndsWith("\r\x1b[Kstopped after step 502 of 1,000, 50 s of training\n"));
    display.on_end(state(1000), true);
    EXPECT_EQ(screen.take(), "1,000 steps in 1 min 40 s\n");
    screen.time += 1;
    display.on_step({state(503), 1, {}});
    screen.take();
  }
  EXPECT_EQ(screen.take(), "\r\x1b[K");  // an error message that follows begins on a clean line
}

TEST(Progress, ATerminalIsLiveUnlessPlainTextIsAskedFor) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0) GTEST_SKIP() << "there are no pseudo-terminals here";
  ASSERT_EQ(::grantpt(terminal) | ::unlockpt(terminal), 0);
  const struct winsize size{24, 43, 0, 0};
  ASSERT_EQ(::ioctl(terminal, TIOCSWINSZ, &size), 0);
  std::FILE* file = std::fopen(::ptsname(terminal), "w");
  ASSERT_TRUE(file);
  const Environment term("TERM", "xterm"), locale("LC_ALL", "de_DE.utf8"), color("NO_COLOR", "");
  EXPECT_TRUE(display_options(file).live);
  EXPECT_TRUE(display_options(file).unicode);
  EXPECT_EQ(display_options(file).width(), 43u);
  {
    const Environment plain("LC_ALL", "C"), dumb("TERM", "dumb");
    EXPECT_FALSE(display_options(file).unicode);
    EXPECT_FALSE(display_options(file).live);
  }
  const Environment no_color("NO_COLOR", "1");
  EXPECT_FALSE(display_options(file).live);
  std::fclose(file);
  ::close(terminal);
}

TEST(Progress, AFileIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  const auto options = display_options(file);
  EXPECT_FALSE(options.live);
  EXPECT_EQ(options.width(), 80u);
  options.write("text");
  EXPECT_EQ(std::ftell(file), 4);
  std::fclose(file);
}
