#include "hadal/report/tensorboard.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <protozero/pbf_reader.hpp>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"
#include "hadal/train/run.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

/// The records of an event file, lengths and checksums checked.
std::vector<std::string> records(const std::filesystem::path& file) {
  const auto bytes = read_file(file);
  std::vector<std::string> out;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    for (size_t i = 0; i < 8; ++i)
      length |= static_cast<uint64_t>(static_cast<unsigned char>(bytes.at(at + i))) << 8 * i;
    out.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(tfrecord(out.back()), bytes.substr(at, length + 16));
    at += length + 16;
  }
  return out;
}

std::map<std::string, float> scalars_of(const std::string& event) {
  std::map<std::string, float> out;
  for (protozero::pbf_reader fields(event); fields.next();) {
    if (fields.tag() != 5) {
      fields.skip();
      continue;
    }
    for (auto summary = fields.get_message(); summary.next();) {
      std::string tag;
      for (auto value = summary.get_message(); value.next();) {
        if (value.tag() == 1)
          tag = value.get_string();
        else
          out[tag] = value.get_float();
      }
    }
  }
  return out;
}

/// From which step on the event (SessionLog.START) voids what earlier files hold; -1 when it is another event.
int64_t purge_step(const std::string& event) {
  int64_t step = 0;
  bool start = false;
  for (protozero::pbf_reader fields(event); fields.next();) {
    if (fields.tag() == 2) {
      step = fields.get_int64();
    } else {
      start = start || fields.tag() == 7;
      fields.skip();
    }
  }
  return start ? step : -1;
}

}  // namespace

TEST(TensorBoard, AResumedRunVoidsWhatItDoesAgain) {
  const auto recipe =
      recipe_from(parse_toml("task = \"classify\"\n[model]\nname = \"mlp\"\nhidden = [8]\n[data]\nkind = "
                             "\"shapes\"\nsize = 16\ntrain = 32\nval = 16\n"
                             "test = 0\nclasses = 2\n[train]\nepochs = 4\nbatch = 16\nworkers = 0\nthreads = 1\n",
                             "small.toml"),
                  "small");
  struct Stopper : Callback {
    void on_step(const StepEvent& event) override { stop_requested() = event.state.step == 3; }
  } stopper;
  const test::TemporaryFolder folder;
  const auto second_event = [&](bool resume) {
    train_recipe(recipe, {.folder = folder.path(), .resume = resume, .listeners = {&stopper}});
    stop_requested() = false;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "tensorboard")) files.push_back(entry);
    return records(*std::max_element(files.begin(), files.end())).at(1);
  };
  EXPECT_EQ(purge_step(second_event(false)), -1);
  // Killed before its first checkpoint: all of it is done again.
  std::filesystem::remove_all(folder / "checkpoint");
  EXPECT_EQ(purge_step(second_event(true)), 0);
  // Stopped at step 3, which is done.
  EXPECT_EQ(purge_step(second_event(true)), 4);
}

TEST(TensorBoard, ChecksumsAreCastagnolis) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);            // the check value of CRC-32C
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
}

TEST(TensorBoard, BytesEqualThoseOfTensorBoardsOwnWriter) {
  test::TemporaryFolder folder;
  TensorBoard board(folder.path(), 5, [] { return 1700000000.5; });
  board.scalars(6, {{"train/loss", 0.25}, {"val/accuracy", NAN}});
  board.image(300, "samples", "\x89PNG\r\n\x1a\nnot really", 2, 3, 3);
  board.sound(300, "voices", "RIFF, not really", 8000, 1, 5);
  board.verbatim(300, "config", "lr = 0.1\n");
  const auto golden = read_safetensors(test::golden("tensorboard_events.safetensors")).at("bytes");
  EXPECT_EQ(read_file(board.file()), std::string(static_cast<const char*>(golden.data_ptr()), golden.numel()));
}

TEST(TensorBoard, EveryEventIsInTheFileAtOnce) {
  test::TemporaryFolder folder;
  TensorBoard board(folder / "run/events");
  EXPECT_EQ(records(board.file()).size(), 1u);
  board.scalars(1, {{"lr", 0.5}, {"loss", INFINITY}});
  board.scalars(2, {});
  ASSERT_EQ(records(board.file()).size(), 2u);
  EXPECT_EQ(scalars_of(records(board.file()).at(1)), (std::map<std::string, float>{{"lr", 0.5f}, {"loss", INFINITY}}));
}

TEST(TensorBoard, AResumedRunsFileSortsLast) {
  test::TemporaryFolder folder;
  const TensorBoard first(folder.path(), {}, [] { return 1700000000.0; });
  const TensorBoard second(folder.path(), 10, [] { return 1700000000.0; });
  const TensorBoard third(folder.path(), 20, [] { return 1600000000.0; });
  EXPECT_LT(first.file().filename().string(), second.file().filename().string());
  EXPECT_LT(second.file().filename().string(), third.file().filename().string());
  EXPECT_EQ(third.file().filename().string().rfind("events.out.tfevents.1700000002.", 0), 0u);
}

TEST(TensorBoard, FoldersThatCannotBeWritten) {
  test::TemporaryFolder folder;
  write_file(folder / "file", "");
  EXPECT_ERROR(TensorBoard(folder / "file/events"), "cannot make the folder");
  EXPECT_ERROR(TensorBoard("/proc"), "cannot write");
}
