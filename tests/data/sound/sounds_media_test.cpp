#include "hadal/data/sound/sounds.h"
#include "hadal/io/file.h"
#include "hadal/io/sound.h"

#include "tests/data/sound/sounds_drawn.h"
#include "tests/io/hostile.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

}  // namespace

TEST(Sound, ReadsWhatAWavHolds) {
  const auto file = wav({0, 16384, -32768, 8192}, 11025, 2);
  const auto sound = decode_sound(bytes(file), "s.wav");
  EXPECT_EQ(sound.rate, 11025);
  EXPECT_TRUE(torch::equal(sound.samples, torch::tensor({{0.f, -1.f}, {0.5f, 0.25f}})));
  EXPECT_ERROR(decode_sound(bytes(file), "s.wav", {.max_samples = 2}), "s.wav: more than 1 samples of 2 channels");
}

TEST(Sound, RefusesWhatIsNone) {
  EXPECT_ERROR(decode_sound(bytes(std::string("RIFF")), "s.wav"), "s.wav: not a sound that can be read");
  EXPECT_ERROR(decode_sound(bytes(wav({})), "s.wav"), "s.wav: a sound without a sample");
  auto cut = wav(std::vector<int16_t>(100, 7));
  cut.resize(cut.size() - 60);
  EXPECT_ERROR(decode_sound(bytes(cut), "s.wav"), "s.wav: cut short: 184 of 244 bytes");
  cut.replace(4, 4, "\xFF\xFF\xFF\xFF");
  EXPECT_ERROR(decode_sound(bytes(cut), "s.wav"), "s.wav: cut short: 184 of 244 bytes");
  cut.replace(40, 4, "\xFF\xFF\xFF\xFF");  // written to a pipe
  EXPECT_EQ(decode_sound(bytes(cut), "s.wav").samples.size(1), 70);
  damage_everywhere([](std::span<const std::byte> data) { decode_sound(data, "s.wav"); }, wav({1, 2, 3, 4}), false);
}

TEST(Sound, OnlyTheSizeOfItsDataCounts) {
  const std::vector<int16_t> samples(100, 7);
  const auto whole = wav(samples);
  const auto with = [](std::string file, size_t at, uint32_t size) {
    for (int i = 0; i < 4; ++i) file[at + static_cast<size_t>(i)] = static_cast<char>(size >> (8 * i));
    return file;
  };
  const auto read = [](const std::string& file) {
    const auto sound = decode_sound(bytes(file), "s.wav").samples;
    return sound.eq(7 / 32768.f).all().item<bool>() ? sound.size(1) : -1;
  };
  const auto size = static_cast<uint32_t>(whole.size());
  for (const uint32_t riff : {size - 8, size, size + 1, 2 * size, 36u, 8u, 0u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
    EXPECT_EQ(read(with(whole, 4, riff)), 100) << riff;
    EXPECT_EQ(read(with(whole + "LIST\4", 4, riff)), 100) << riff << ", cut short behind the data";
    EXPECT_ERROR(read(with(whole.substr(0, size - 2), 4, riff)), "s.wav: cut short: 242 of 244 bytes");
    for (const uint32_t data : {0x7FFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu - 44})
      EXPECT_EQ(read(with(with(whole, 4, riff), 40, data)), 100) << riff << " " << data << ", written to a pipe";
  }
  for (const uint32_t riff : {36u, 8u, 0u, 0xFFFFFFFFu})
    EXPECT_EQ(read(with(with(whole, 4, riff), 40, 0)), 100) << riff;
  EXPECT_ERROR(read(with(whole, 40, 0)), "s.wav: a sound without a sample");
  // Another chunk before the data, of an odd size.
  const auto note = std::string("note\3\0\0\0abc\0", 12);
  EXPECT_EQ(read(with(whole.substr(0, 36) + note + whole.substr(36), 4, size)), 100);
}

TEST(Sounds, AreSplitByTheirIndex) {
  const TemporaryFolder folder;
  for (const auto* label : {"high", "low"})
    for (int64_t i = 0; i < 6; ++i)
      write_file(folder / fmt::format("{}_anna_{}.wav", label, i), tone(*label == 'h' ? 1.5 : 0.2));
  const Sounds sounds(FileTree(folder.path()), {.path = "x", .test = 2, .val = 1});
  EXPECT_EQ(sounds.classes(), (std::vector<std::string>{"high", "low"}));
  EXPECT_EQ(sounds.size("train"), 6);
  EXPECT_EQ(sounds.size("val"), 2);
  EXPECT_EQ(sounds.size("test"), 4);
  EXPECT_EQ(sounds.size("Test"), 0);
  const auto [features, label] = sounds.get("test", 2);
  EXPECT_EQ(label, 1);
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{40, 26}));
  EXPECT_NEAR(features.mean().item<double>(), 0, 1e-5);
  EXPECT_LT(features.argmax(0)[13].item<int64_t>(), sounds.get("test", 0).first.argmax(0)[13].item<int64_t>());
}

TEST(Sounds, LabelsAreLookedUpByName) {
  const TemporaryFolder folder;
  for (int64_t i = 0; i < 2; ++i) write_file(folder / fmt::format("low_anna_{}.wav", i), tone(0.2));
  const Sounds sounds(FileTree(folder.path()), {.path = "x", .test = 1, .val = 0}, {"high", "low", "mid"});
  EXPECT_EQ(sounds.classes(), (std::vector<std::string>{"high", "low", "mid"}));  // not all need occur
  EXPECT_EQ(sounds.get("test", 0).second, 1);
  EXPECT_ERROR(Sounds(FileTree(folder.path()), {}, {"high", "mid"}),
               "the label \"low\" is none of the model's: high, mid");
}

TEST(Sounds, SayWhatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_ERROR(Sounds(FileTree(folder.path()), {}), "holds no sound (wav, flac, ogg)");
  write_file(folder / "seven.wav", tone(1));
  EXPECT_ERROR(Sounds(FileTree(folder.path()), {}), "seven.wav: a sound's name must be LABEL_..._INDEX");
  const TemporaryFolder other;
  write_file(other / "7_x_0.wav", wav({1, 2}, 16000));
  EXPECT_ERROR(Sounds(FileTree(other.path()), {}), "7_x_0.wav: has 16000 samples a second, data.mel.rate is 8000");
}

TEST(PlaceSeries, CentresToScoreAndVariesToTrain) {
  const auto x = torch::ones({2, 4});
  EXPECT_TRUE(
      torch::equal(place_series(x, 8, {}, nullptr)[0], torch::tensor({0.f, 0.f, 1.f, 1.f, 1.f, 1.f, 0.f, 0.f})));
  const auto ramp = torch::arange(8, torch::kFloat32).view({1, 8});
  EXPECT_TRUE(torch::equal(place_series(ramp, 4, {}, nullptr)[0], torch::tensor({2.f, 3.f, 4.f, 5.f})));
  const SeriesAugment vary{.stretch = 0.3, .gain = 0.5, .mask_bands = 1, .mask_steps = 2};
  Random a(1, {1}), again(1, {1}), b(1, {2});
  const auto bands = ramp.expand({4, 8}).contiguous();
  const auto first = place_series(bands, 8, vary, &a);
  EXPECT_TRUE(torch::equal(first, place_series(bands, 8, vary, &again)));
  EXPECT_FALSE(torch::equal(first, place_series(bands, 8, vary, &b)));
}
