#include "hadal/optim/schedule.h"

#include "hadal/io/safetensors.h"
#include "hadal/optim/plateau.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

/// The schedule of a line of TOML: name = "cosine", final = 0.1.
Schedule make(const std::string& settings, int64_t steps, int64_t steps_per_epoch = 10) {
  auto table = parse_toml("schedule = { " + settings + " }", "test");
  const auto part = read_part(*table.find("schedule"), "train.schedule", schedules().kinds());
  return schedules().make(part, RunLength{steps, steps_per_epoch});
}

double factor(const std::string& settings, int64_t step, int64_t steps = 100, int64_t steps_per_epoch = 10) {
  return make(settings, steps, steps_per_epoch)(step).lr_factor;
}

constexpr double kLr = 0.3;  // of the golden rates

TEST(Schedule, EveryRateAndMomentumIsPyTorchs) {
  const auto golden = read_safetensors(test::golden("schedules.safetensors"));
  const auto tensors = golden.index();
  const auto* metrics = tensors.at("metrics").data_ptr<double>();
  std::set<std::string> names;
  for (const auto& [name, settings] : golden.metadata) {
    SCOPED_TRACE(name);
    auto given = parse_toml(settings, name);
    const Part part = read_part(given, "train.schedule", schedules().kinds());
    names.insert(part.name);
    const auto& rates = tensors.at(name);
    ASSERT_EQ(rates.size(0), 500);
    const auto schedule = schedules().make(part, RunLength{rates.size(0), 10});
    const bool up = settings.find("\"max\"") != settings.npos;
    for (int64_t step = 0; step < rates.size(0); ++step) {
      const auto here = schedule(step);
      ASSERT_NEAR(kLr * here.lr_factor, rates[step][0].item<double>(), 1e-9) << "step " << step;
      ASSERT_EQ(here.momentum.has_value(), rates.size(1) == 2);
      if (here.momentum) {
        ASSERT_NEAR(*here.momentum, rates[step][1].item<double>(), 1e-9) << "step " << step;
      }
      for (const auto& plateau : schedule.plateaus) plateau->observe(up ? 1 - metrics[step] : metrics[step], up);
    }
    if (part.name == "plateau") EXPECT_LT(schedule(499).lr_factor, 0.9);  // it did fall
  }
  EXPECT_EQ(names.size(), schedules().names().size()) << "every schedule has a golden case";
}

TEST(Schedule, AnyOneGoesByEpochToo) {
  EXPECT_DOUBLE_EQ(factor("name = \"exponential\", gamma = 0.5", 29), 0.25);  // by epoch unless told otherwise
  EXPECT_DOUBLE_EQ(factor("name = \"cosine\", every = \"epoch\"", 59), 0.5);
  EXPECT_DOUBLE_EQ(factor("name = \"cosine\", every = \"epoch\"", 50), 0.5);
  EXPECT_DOUBLE_EQ(factor("name = \"linear\", every = \"epoch\"", 99), 0.1);
  EXPECT_DOUBLE_EQ(factor("name = \"linear\", every = \"epoch\"", 19, 25), 1 - 1.0 / 3);  // a last epoch that is cut
}

TEST(Schedule, LengthsAreSharesStepsOrEpochs) {
  for (const auto* length : {"0.3", "30", "\"30 steps\"", "\"3 epochs\"", "\"3epochs\""})
    EXPECT_DOUBLE_EQ(factor(fmt::format("name = \"linear\", length = {}", length), 15), 0.5) << length;
  EXPECT_DOUBLE_EQ(factor("name = \"linear\", length = \"1 epoch\"", 5), 0.5);
  EXPECT_DOUBLE_EQ(factor("name = \"linear\", length = \"0.5 epochs\"", 4), 0.2);
  EXPECT_DOUBLE_EQ(factor("name = \"step\", period = 2", 25), 0.1);  // of what it counts: epochs
  EXPECT_DOUBLE_EQ(factor("name = \"linear\", length = 0.001", 1), 0);
  for (const auto* length : {"-0.1", "1.5", "\"3 weeks\"", "\"half\"", "\"1.5 steps\"", "true", "[3]", "\"nan epochs\"",
                             "1e19", "\"1e10 epochs\""})
    EXPECT_ERROR(factor(fmt::format("name = \"linear\", length = {}", length), 0),
                 "train.schedule.length wants a length: a share of the run below 1, a whole number up to 1e9, \"500 "
                 "steps\" or");
  EXPECT_ERROR(factor("name = \"linear\", every = \"epoch\", length = \"500 steps\"", 0),
               "length = \"500 steps\" counts steps where the schedule counts epochs");
  const Part word{"cosine", {{"warmup", Word{"3 epochs"}}}};  // as the command line gives it
  EXPECT_EQ(*schedules().resolve(word).settings.find("warmup"), Value("3 epochs"));
  EXPECT_EQ(*schedules().resolve({"cosine", {{"warmup", Word{"500"}}}}).settings.find("warmup"), Value(500));
  EXPECT_EQ(*schedules().resolve({"cosine", {{"warmup", 0.25}}}).settings.find("warmup"), Value(0.25));
}

TEST(Schedule, SharesAreOfTheWholeRun) {
  const auto falls = [](int64_t step) {
    return factor("name = \"multi_step\", every = \"step\", milestones = [0.5, 0.9], warmup = 0.2", step);
  };
  EXPECT_DOUBLE_EQ(falls(49), 1);
  EXPECT_DOUBLE_EQ(falls(50), 0.1);
  EXPECT_DOUBLE_EQ(falls(89), 0.1);
  EXPECT_NEAR(falls(90), 0.01, 1e-15);
  const auto parts = [](int64_t step) {
    return factor("name = \"sequential\", warmup = 0.2, parts = [\"constant\", \"linear\"], milestones = [0.5]", step);
  };
  EXPECT_DOUBLE_EQ(parts(50), 1);
  EXPECT_DOUBLE_EQ(parts(75), 0.5);
}

TEST(Schedule, AWarmUpGoesBeforeAnyOfThem) {
  EXPECT_NEAR(factor("name = \"linear\", warmup = 0.1, final = 0.2", 0), 1.0 / 11, 1e-12);
  EXPECT_NEAR(factor("name = \"linear\", warmup = 0.1, final = 0.2", 9), 10.0 / 11, 1e-12);
  EXPECT_DOUBLE_EQ(factor("name = \"linear\", warmup = 0.1, final = 0.2", 10), 1);
  EXPECT_NEAR(factor("name = \"linear\", warmup = 0.1, final = 0.2", 55), 0.6, 1e-12);
  const std::vector<std::string> all = {
      "name = \"constant\"",
      "name = \"polynomial\"",
      "name = \"exponential\", gamma = 0.9",
      "name = \"step\", period = 2",
      "name = \"multi_step\", milestones = [2, 4]",
      "name = \"cosine\"",
      "name = \"wsd\", cooldown = \"2 epochs\"",
      "name = \"warm_restarts\", period = 30",
      "name = \"cyclic\", up = 10",
      "name = \"one_cycle\"",
      "name = \"plateau\"",
      "name = \"lambda\", factor = \"1 - t / T\"",
      "name = \"multiplicative\", factor = \"0.99\"",
      "name = \"sequential\", parts = [\"constant\", \"cosine\"], milestones = [\"5 epochs\"]",
      "name = \"chained\", parts = [\"linear\", \"cosine\"]"};
  for (const auto& settings : all)
    for (const bool by_epoch : {false, true}) {
      SCOPED_TRACE(settings);
      const bool counts_epochs =
          by_epoch || settings.find("exp") != settings.npos || settings.find("step\"") != settings.npos;
      const auto every = by_epoch ? ", every = \"epoch\"" : "";
      const auto warm = make(settings + every + ", warmup = \"2 epochs\"", 120);
      const auto rise = counts_epochs ? 3.0 : 21.0;
      EXPECT_NEAR(warm(0).lr_factor, warm(20).lr_factor / rise, 1e-12);
      EXPECT_NEAR(warm(19).lr_factor, warm(20).lr_factor * (rise - 1) / rise, 1e-12);
      EXPECT_EQ(warm(5).momentum, warm(20).momentum);
      // What follows is the schedule of a run that is so much shorter.
      const auto plain = make(settings + every, 100);
      for (const int64_t step : {0, 1, 7, 15, 50, 99}) {
        EXPECT_DOUBLE_EQ(warm(20 + step).lr_factor, plain(step).lr_factor) << step;
        EXPECT_EQ(warm(20 + step).momentum, plain(step).momentum) << step;
      }
    }
}

TEST(Schedule, PartsOfASequenceSpanTheirStretch) {
  const auto schedule = make(
      "name = \"sequential\", milestones = [\"2 epochs\", 0.5], parts = [\"linear\", \"cosine\", "
      "{ name = \"linear\", warmup = 0.1 }]",
      100);
  EXPECT_DOUBLE_EQ(schedule(10).lr_factor, 0.5);
  EXPECT_DOUBLE_EQ(schedule(20).lr_factor, 1);
  EXPECT_NEAR(schedule(35).lr_factor, 0.5, 1e-12);
  EXPECT_NEAR(schedule(50).lr_factor, 1.0 / 6, 1e-12);
  EXPECT_DOUBLE_EQ(schedule(55).lr_factor, 1);
  const auto by_epoch =
      make("name = \"sequential\", every = \"epoch\", milestones = [4], parts = [\"constant\", \"linear\"]", 100);
  EXPECT_DOUBLE_EQ(by_epoch(39).lr_factor, 1);
  EXPECT_DOUBLE_EQ(by_epoch(70).lr_factor, 0.5);
}

TEST(Schedule, ProgramsBringFunctionsOfTheirOwn) {
  const auto falling = lambda_schedule([](int64_t step) { return 1.0 / static_cast<double>(1 + step); });
  EXPECT_DOUBLE_EQ(falling(3).lr_factor, 0.25);
  const auto product = multiplicative_schedule([](int64_t) { return 0.5; }, 4);
  EXPECT_DOUBLE_EQ(product(0).lr_factor, 1);
  EXPECT_DOUBLE_EQ(product(3).lr_factor, 0.125);
  EXPECT_DOUBLE_EQ(product(9).lr_factor, 0.125);
  const auto both = chained_schedule({falling, sequential_schedule({product, falling}, {2})});
  EXPECT_DOUBLE_EQ(both(1).lr_factor, 0.25);
  EXPECT_DOUBLE_EQ(both(3).lr_factor, 0.125);
  EXPECT_ERROR(sequential_schedule({falling, product}, {}), "2 schedules want 1 milestones, got 0");
  EXPECT_ERROR(sequential_schedule({falling, product, falling}, {5, 5}), "milestones must rise, got 5 after 5");
}

TEST(Schedule, AveragingAnnealsToItsOwnRateAsPyTorchDoes) {
  const auto golden = read_safetensors(test::golden("schedules.safetensors")).index();
  const auto flat = make("name = \"constant\"", 500);
  for (const std::string name : {"swa_cos", "swa_linear", "swa_at_once"}) {
    const auto schedule = annealed_schedule(flat, 0, name == "swa_at_once" ? 0 : 40, 0.05 / kLr, name == "swa_linear");
    for (int64_t step = 0; step < 500; ++step)
      ASSERT_NEAR(kLr * schedule(step).lr_factor, golden.at(name)[step][0].item<double>(), 1e-9) << name << " " << step;
  }
  const auto later = annealed_schedule(make("name = \"linear\"", 100), 50, 10, 0.1, true);
  EXPECT_DOUBLE_EQ(later(49).lr_factor, 0.51);
  EXPECT_DOUBLE_EQ(later(55).lr_factor, 0.3);
  EXPECT_DOUBLE_EQ(later(90).lr_factor, 0.1);
}

TEST(Schedule, APlateauKeepsItsCountInItsState) {
  const PlateauRule rule{.patience = 2};
  Plateau whole(rule), before(rule), after(rule);
  for (const double score : {1.0, 2.0, 2.0}) whole.observe(score, false), before.observe(score, false);
  after.load_state(before.state());
  EXPECT_EQ(whole.factor(), 1);
  whole.observe(2, false), after.observe(2, false);
  EXPECT_DOUBLE_EQ(whole.factor(), 0.1);
  EXPECT_TRUE(whole.state().equal(after.state()));
  EXPECT_ERROR(after.load_state(torch::zeros({3})), "the saved plateau is not one");
}

TEST(Schedule, APlateauBearsANumberThatIsNone) {
  Plateau plateau({.patience = 1});
  for (const double score : {static_cast<double>(NAN), 1.0, 0.9, static_cast<double>(NAN)})
    plateau.observe(score, false);
  EXPECT_EQ(plateau.factor(), 1);
  plateau.observe(NAN, false);
  EXPECT_DOUBLE_EQ(plateau.factor(), 0.1);
}

TEST(Schedule, WatchesWhatItIsToldTo) {
  const Watch usual{}, loss{.metric = "train/loss"}, other{.metric = "macro_f1"};
  EXPECT_EQ(usual.name("accuracy"), "val/accuracy");
  EXPECT_TRUE(usual.higher_is_better("accuracy", true));
  EXPECT_EQ(loss.name("accuracy"), "train/loss");
  EXPECT_FALSE(loss.higher_is_better("accuracy", true));
  EXPECT_EQ(other.name("accuracy"), "val/macro_f1");
  EXPECT_ERROR(other.higher_is_better("accuracy", true), "metric = \"macro_f1\" wants mode = \"min\" or \"max\"");
}

TEST(Schedule, EveryScheduleOfATinyRunIsFinite) {
  for (const auto* settings :
       {"name = \"constant\", warmup = 0.9", "name = \"linear\"", "name = \"cosine\", warmup = 0.99", "name = \"wsd\"",
        "name = \"one_cycle\"", "name = \"one_cycle\", three_phase = true", "name = \"cyclic\", up = 1",
        "name = \"warm_restarts\", period = 1, factor = 2", "name = \"polynomial\"",
        "name = \"lambda\", factor = \"1 / (1 + t)\""})
    for (const int64_t steps : {1, 2, 3, 7}) {
      const auto schedule = make(settings, steps);
      for (int64_t step = 0; step < steps; ++step) {
        const auto factor = schedule(step).lr_factor;
        EXPECT_GE(factor, 0) << settings << " " << step << " of " << steps;
        EXPECT_LE(factor, 1) << settings << " " << step << " of " << steps;
      }
    }
}

TEST(Schedule, WrongSettingsAreRefusedWithTheReason) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"name = \"cosine\", warmup = 100",
       "a warmup of 100 steps leaves nothing of a run of 100 steps; use a shorter one"},
      {"name = \"cosine\", warmup = \"11 epochs\"", "a warmup of 110 steps leaves nothing of a run of 100 steps"},
      {"name = \"step\", period = 2, warmup = 10", "a warmup of 10 epochs leaves nothing of a run of 10 epochs"},
      {"name = \"one_cycle\", warmup = 200", "a warmup of 200 steps leaves nothing"},
      {"name = \"inverse_sqrt\", warmup = 1000", "a warmup of 1000 steps leaves nothing"},
      {"name = \"inverse_sqrt\"", "wants its warmup, which decides how fast it falls: warmup = 4000"},
      {"name = \"wsd\", warmup = 40, cooldown = 61", "warmup and cooldown take 101 of 100 steps"},
      {"name = \"linear\", warmup = 0.3, length = 0.9",
       "length = 0.9 of the run is more than the warm-up leaves, 70 of 100"},
      {"name = \"multi_step\", every = \"step\", warmup = 0.3, milestones = [0.2]",
       "milestones = 0.2 lies within the warm-up"},
      {"name = \"multi_step\", every = \"step\", milestones = [0]", "milestones = 0 is where the run begins"},
      {"name = \"multi_step\", milestones = [\"0 epochs\"]", "milestones = 0 epochs is where the run begins"},
      {"name = \"warm_restarts\", period = 5, factor = 4611686018427387904",
       "train.schedule.factor wants an integer from 1 to 1000"},
      {"name = \"constant\", factor = 0.5", "a constant factor of 0.5 wants a length"},
      {"name = \"exponential\"", "wants gamma, the factor of each epoch: gamma = 0.95"},
      {"name = \"exponential\", gamma = -0.5", "train.schedule.gamma wants a number of at least 0, got -0.5"},
      {"name = \"step\"", "a step schedule wants its period: period = \"30 epochs\""},
      {"name = \"multi_step\"", "wants its milestones: milestones = [\"30 epochs\", \"60 epochs\"]"},
      {"name = \"warm_restarts\"", "wants its period: period = \"10 epochs\""},
      {"name = \"warm_restarts\", period = 5, factor = 0",
       "train.schedule.factor wants an integer from 1 to 1000, got 0"},
      {"name = \"cyclic\"", "wants the length of its rise: up = \"2 epochs\""},
      {"name = \"cyclic\", up = 5, max_momentum = 1", "train.schedule.max_momentum wants a number from 0 to below 1"},
      {"name = \"one_cycle\", pct_start = 1.5", "train.schedule.pct_start wants a number from 0 to 1, got 1.5"},
      {"name = \"one_cycle\", pct_start = 0.6, three_phase = true",
       "pct_start (0.6) must be at most 0.5 with three_phase"},
      {"name = \"one_cycle\", div_factor = 0", "train.schedule.div_factor wants a number above 0, got 0"},
      {"name = \"plateau\", factor = 1", "train.schedule.factor wants a number from 0 to below 1, got 1"},
      {"name = \"sequential\"", "a sequential schedule wants its parts and milestones"},
      {"name = \"sequential\", parts = [\"cosine\", \"linear\"]", "2 schedules want 1 milestones, got 0"},
      {"name = \"sequential\", parts = [\"cosine\", \"linear\"], milestones = [100]",
       "the last part of a sequential schedule begins at step 100, the run has 100"},
      {"name = \"sequential\", parts = [\"cosine\", \"linear\", \"linear\"], milestones = [50, 20]",
       "milestones must rise, got 20 after 50"},
      {"name = \"sequential\", parts = [\"cosine\", \"plateau\"], milestones = [50]",
       "it can be part of a chained schedule, not of a sequential one"},
      {"name = \"sequential\", parts = [{ name = \"linear\", warmup = 30 }, \"cosine\"], milestones = [20]",
       "a warmup of 30 steps leaves nothing of a run of 20 steps"},
      {"name = \"chained\"", "a chained schedule wants its parts"},
      {"name = \"chained\", parts = [\"cosin\"]", "train.schedule.parts \"cosin\" is not known; nearest: cosine"},
      {"name = \"chained\", parts = [{ name = \"cosine\", fnal = 0.1 }]", "unknown setting train.schedule.parts.fnal"},
      {"name = \"chained\", parts = [{ name = \"exponential\", gamma = -0.5 }]",
       "train.schedule.parts.gamma wants a number of at least 0, got -0.5"},
      {"name = \"cosine\", every = \"day\"", "train.schedule.every = \"day\" is not known"},
      {"name = \"lambda\"", "train.schedule.factor wants a formula of t and T"},
      {"name = \"lambda\", factor = \"log(t)\"", "is -inf at t = 0; a rate must be finite and not negative"},
      {"name = \"lambda\", factor = \"1 - t / 50\"", "is -0.02 at t = 51; a rate must be finite"},
  };
  for (const auto& [settings, reason] : wrong) {
    SCOPED_TRACE(settings);
    EXPECT_ERROR(make(settings, 100), reason);
  }
}

TEST(Schedule, RatesThatAreNoneAreFoundBeforehand) {
  const auto check = [](const std::string& settings) { check_rates(make(settings, 100), 100); };
  EXPECT_NO_THROW(check("name = \"cyclic\", up = 10, mode = \"formula\", scale = \"1 / x\""));
  EXPECT_ERROR(check("name = \"cyclic\", up = 10, mode = \"formula\", scale = \"-x\""),
               "[schedule] the rate is -0.08 x lr in step 2; a rate must be finite and not negative");
  EXPECT_ERROR(check("name = \"cyclic\", up = 10, mode = \"formula\", scale = \"1 / (2 - x)\""), "nan x lr in step 20");
  EXPECT_ERROR(check("name = \"cyclic\", up = 10, mode = \"formula\", scale = \"20\""),
               "the momentum is -0.1 in step 5; it must be from 0 to below 1");
  EXPECT_ERROR(check_rates(lambda_schedule([](int64_t step) { return 1.0 - static_cast<double>(step); }), 3),
               "the rate is -1 x lr in step 2");
}

TEST(Formula, IsReadAsWritten) {
  for (const auto& [text, value] : std::vector<std::pair<std::string, double>>{{"1 - 2 - 3", -4},
                                                                               {"2 ^ 3 ^ 2", 512},
                                                                               {"-2 ^ 2", -4},
                                                                               {"2 * -t", -6},
                                                                               {"(1 + t) * 2 / 4", 2},
                                                                               {"2 ^ -1", 0.5},
                                                                               {"min(t, 1) + max(t,5)", 6},
                                                                               {"sqrt(abs(-9))", 3},
                                                                               {"floor(2.9e0)", 2},
                                                                               {"cos(pi)", -1},
                                                                               {"exp(log(t))", 3},
                                                                               {"sin(0)", 0},
                                                                               {".5", 0.5}})
    EXPECT_NEAR(factor("name = \"lambda\", factor = \"1000 + (" + text + ")\"", 3) - 1000, value, 1e-9) << text;
  for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
           {"1 +", "a number or a name expected at character 4"},
           {"(1", "')' expected at character 3"},
           {"1 2", "an operator expected at character 3"},
           {"sqrt 2", "'(' expected at character 6"},
           {"min(1)", "',' expected at character 6"},
           {"1 + seconds", "a known name expected at character 5; it may hold numbers, t, T, pi"},
           {"x", "a known name expected at character 1"},
           {std::string(200, '('), "a less nested formula expected"}})
    EXPECT_ERROR(factor("name = \"lambda\", factor = \"" + text + "\"", 0), reason);
}

}  // namespace
}  // namespace hadal
