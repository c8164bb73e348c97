// What is wrong with a command: exit code 2, one line that says what came and what would be right.
#include "tests/cli/tiny.h"

namespace hadal {
namespace {

using test::expect_mistake;
using test::Ran;
using test::recipe;

class Mistakes : public testing::Test {
 protected:
  Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_.path()); }
  /// `hadal train tiny.toml out=run SETTINGS...`
  Ran train(std::vector<std::string> settings, const std::string& toml = recipe()) {
    write_file(folder_ / "tiny.toml", toml);
    settings.insert(settings.begin(), {"train", "tiny.toml", "out=run"});
    return run(settings);
  }
  test::TemporaryFolder folder_;
};

TEST_F(Mistakes, Verbs) {
  const auto none = run({});
  expect_mistake(none, 2, "say what to do");
  EXPECT_THAT(none.out, testing::HasSubstr("hadal train"));
  expect_mistake(run({"trian"}), 2, "there is no verb \"trian\"; nearest: train");
  expect_mistake(run({"train", "--fast"}), 2, "unknown option --fast; settings are written key=value");
  expect_mistake(run({"train"}), 2, "train takes one recipe");
  EXPECT_EQ(run({"--help"}).code, 0);
  const auto help = run({"train", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, testing::HasSubstr("evaluate_every"));
  EXPECT_THAT(help.out, testing::Not(testing::HasSubstr("train.optimizer.lr")));
}

TEST_F(Mistakes, HelpShowsTheSettingsOfTheChosenParts) {
  write_file(folder_ / "tiny.toml", recipe());
  const auto help = run({"train", "tiny.toml", "optimizer=muon", "schedule=wsd", "out=run", "--help"});
  EXPECT_EQ(help.code, 0) << help.err;
  for (const auto* setting :
       {"train.optimizer=\"muon\"", "train.optimizer.ns_steps=5", "train.optimizer.adamw.beta1=0.9",
        "train.schedule.cooldown=", "model.hidden=", "data.classes="})
    EXPECT_THAT(help.out, testing::HasSubstr(setting));
  EXPECT_THAT(run({"train", "optimizer=sam", "--help"}).out, testing::HasSubstr("train.optimizer.base.momentum="));
  expect_mistake(run({"train", "optimizer=muan", "epoch=3", "--help"}), 2, "epoch");
}

TEST_F(Mistakes, NoMemoryAndNoRoomForTheOutputAreSaid) {
  expect_mistake(train({"model.hidden=[2000000000]"}), 1, "out of memory: ");
  EXPECT_EQ(test::Process({"models"}, folder_.path(), 10).wait().code, 1) << "all of it was not printed";
}

TEST_F(Mistakes, Settings) {
  expect_mistake(train({"epoch=3"}), 2, "unknown setting epoch; nearest: epochs");
  expect_mistake(train({"epochs=many"}), 2, "train.epochs");
  expect_mistake(train({"epochs=2.5"}), 2, "integer");
  expect_mistake(train({"epochs=0"}), 2, "at least 1");
  expect_mistake(train({"dropout=1"}), 2, "dropout");
  expect_mistake(train({"decay_norms=maybe"}), 2, "true or false");
  expect_mistake(train({"precision=fp12"}), 2, "fp32");
  expect_mistake(train({"device=gpu"}), 2, "use auto, cpu, cuda");
  expect_mistake(train({"device=cuda:7"}), 2, "cuda");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(Mistakes, SettingsThatDoNotFitTheRun) {
  expect_mistake(train({"train.optimizer.lr=-0.1"}), 2, "train.optimizer.lr wants a number of at least 0");
  expect_mistake(train({"schedule=cosine", "warmup=16"}), 2,
                 "a warmup of 16 steps leaves nothing of a run of 16 steps; use a shorter one");
  expect_mistake(train({"schedule=step"}), 2, "a step schedule wants its period");
  expect_mistake(train({"train.schedule.pct_start=2"}), 2, "train.schedule.pct_start wants a number from 0 to 1");
  expect_mistake(train({"train.swa.begin=0.999"}), 2,
                 "swa takes weights every 8 steps from step 16 on, but the run has 16");
  expect_mistake(train({"train.swa.begin=0.5", "ema=0.9"}), 2, "two averages");
  expect_mistake(train({"train.early_stopping.patience=2", "train.early_stopping.metric=macro_f1"}), 2,
                 "wants mode = \"min\" or \"max\"");
  expect_mistake(train({"freeze=backbone"}), 2, "freeze: \"backbone\" is the name of no parameter");
  expect_mistake(train({"bad_steps=0"}), 2, "train.bad_steps wants an integer of at least 1");
  expect_mistake(train({"lr=inf"}), 2, "train.optimizer.lr wants a number of at least 0, got \"inf\"");
  expect_mistake(
      train({"schedule=cyclic", "train.schedule.up=4", "train.schedule.mode=formula", "train.schedule.scale=-5"}), 2,
      "a rate must be finite and not negative");
  expect_mistake(train({"train.early_stopping.patience=2", "train.early_stopping.metric=acuracy"}), 2,
                 "watches val/acuracy, which this run does not measure; nearest: val/accuracy");
  expect_mistake(train({"train.groups=[{match=\"*\", frozen=true}]"}), 2, "groups freeze every parameter");
  expect_mistake(train({"optimizer=schedule_free_adamw"}), 2, "take schedule=constant, not one_cycle");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(Mistakes, Names) {
  expect_mistake(run({"train", "mnist-vitt"}), 2, "there is no recipe \"mnist-vitt\"; nearest: mnist-vit");
  expect_mistake(train({"model=resnet19"}), 2, "resnet18");
  expect_mistake(train({"optimizer=adamv"}), 2, "adamw");
  expect_mistake(train({"schedule=cosin"}), 2, "cosine");
  expect_mistake(train({"data.kind=shape"}), 2, "shapes");
  expect_mistake(train({"task=classfy"}), 2, "classify");
  expect_mistake(run({"models", "resnext"}), 2, "resnext");
  expect_mistake(run({"models", "resnet", "size=64"}), 2, "size is for one model: give its whole name");
  expect_mistake(run({"models", "mlp", "hiden=3"}), 2, "hidden");
  expect_mistake(run({"models", "mlp", "size=0"}), 2, "size");
}

TEST_F(Mistakes, Recipes) {
  expect_mistake(run({"train", "nowhere.toml"}), 2, "nowhere.toml: No such file");
  expect_mistake(train({}, "[model]\nname = \"mlp\nhidden = 3\n"), 2, "tiny.toml:2:");
  expect_mistake(train({}, "task = \"classify\"\nmodle = \"mlp\"\n"), 2, "unknown setting modle; nearest: model");
  expect_mistake(train({}, recipe(test::kShapes, "speed = 3\n")), 2, "train.speed");
  expect_mistake(train({}, recipe(test::kShapes + "colour = 3\n")), 2, "colour");
  expect_mistake(train({}, recipe(test::kShapes, "seed = \"one\"\n")), 2, "train.seed");
  expect_mistake(train({}, "task = 3\n"), 2, "task");
  expect_mistake(train({}, "task = \"classify\"\ntrain = 3\n"), 2, "train");
  expect_mistake(train({}, "epochs = 1979-05-27\n"), 2, "tiny.toml: line 1: dates");
}

TEST_F(Mistakes, Folders) {
  write_file(folder_ / "run/config.toml", "");
  expect_mistake(train({}), 2, "run already holds a run; resume=run goes on with it");
  expect_mistake(run({"train", "resume=nowhere"}), 2, "nowhere is not a run folder");
  expect_mistake(run({"train", "resume=run", "epochs=3"}), 2, "a resumed run keeps its own settings");
  // A folder in which nobody can write, not even root.
  expect_mistake(run({"train", "tiny.toml", "out=/proc/1/run"}), 1, "/proc/1/run");
  expect_mistake(run({"train", "tiny.toml", "out=tiny.toml/run"}), 1, "tiny.toml/run");
  EXPECT_EQ(read_file(folder_ / "run/config.toml"), "");
}

TEST_F(Mistakes, AFailedStartLeavesNoFolder) {
  write_file(folder_ / "tiny.toml", recipe("kind = \"folder\"\npath = \"nowhere\"\n"));
  expect_mistake(run({"train", "tiny.toml"}), 1, "nowhere");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "runs/tiny"));
  expect_mistake(run({"train", "tiny.toml", "find_lr=true"}), 1, "nowhere");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "runs/tiny-find-lr"));
}

TEST_F(Mistakes, ASplitThatIsNotThere) {
  EXPECT_EQ(train({"epochs=1"}).code, 0);
  expect_mistake(run({"eval", "run", "split=tset"}), 2, "no split \"tset\"; it has train, val, test");
  expect_mistake(run({"eval", "run", "split"}), 2, "split");
  expect_mistake(run({"eval"}), 2, "run folder");
  expect_mistake(run({"eval", "nothing"}), 2, "nothing");
  expect_mistake(run({"predict", "run"}), 2, "at least one file or folder");
  expect_mistake(run({"predict", "run", "no.png"}), 2, "no.png");
  expect_mistake(run({"predict", "run", "tiny.toml"}), 1, "tiny.toml");
  std::filesystem::create_directory(folder_ / "empty");
  expect_mistake(run({"predict", "run", "empty"}), 1, "empty holds no picture");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "runs/predict/pictures"));
}

TEST_F(Mistakes, WeightsThatAreNone) {
  EXPECT_EQ(train({"epochs=1"}).code, 0);
  const auto weights = read_file(folder_ / "run/weights/best.safetensors");
  write_file(folder_ / "cut.safetensors", std::string_view(weights).substr(0, weights.size() / 2));
  expect_mistake(run({"eval", "cut.safetensors"}), 1, "cut.safetensors");
  write_file(folder_ / "text.safetensors", "these are no weights at all");
  expect_mistake(run({"eval", "text.safetensors", "model=mlp"}), 1, "neither safetensors nor a PyTorch file");
  expect_mistake(run({"eval", "run/weights/best.safetensors", "model=resnet18", "data.kind=shapes"}), 1,
                 "weights of another model");
  // What `pickle.dumps` makes of an object whose loading would run `os.system("touch run-by-pickle")`.
  write_file(folder_ / "evil.pth", std::string("\x80\x02") + "cposix\nsystem\nX" + std::string("\x13\0\0\0", 4) +
                                       "touch run-by-pickle\x85R.");
  expect_mistake(run({"eval", "evil.pth", "model=mlp", "data.kind=shapes"}), 1, "evil.pth");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run-by-pickle"));
}

TEST_F(Mistakes, IdxFilesThatDoNotMatch) {
  const auto idx = recipe("kind = \"idx\"\npath = \"digits\"\nval = 6\n");
  expect_mistake(train({}, idx), 1, "digits");
  test::write_idx(folder_ / "digits", "train", 30, 29);
  test::write_idx(folder_ / "digits", "t10k", 12, 12);
  expect_mistake(train({}, idx), 1, "29 labels for the 30 pictures");
  test::write_idx(folder_ / "digits", "train", 30, 30);
  const auto bytes = read_file(folder_ / "digits/train-images-idx3-ubyte");
  write_file(folder_ / "digits/train-images-idx3-ubyte", std::string_view(bytes).substr(0, 1000));
  expect_mistake(train({}, idx), 1, "train-images-idx3-ubyte");
}

}  // namespace
}  // namespace hadal
