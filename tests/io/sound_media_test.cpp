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

TEST(SoundReader, ReadsPieceByPiece) {
  const TemporaryFolder folder;
  const auto samples = torch::arange(-20000, 20000, torch::kFloat32).view({20000, 2}).t() / 32768;
  write_file(folder / "s.wav", encode_wav(samples, 48000));
  SoundReader reader(folder / "s.wav");
  EXPECT_EQ(reader.rate(), 48000);
  EXPECT_EQ(reader.channels(), 2);
  EXPECT_EQ(reader.length(), 20000);
  EXPECT_TRUE(torch::equal(reader.read(7), samples.slice(1, 0, 7)));
  EXPECT_TRUE(torch::equal(reader.read(5), samples.slice(1, 7, 12)));
  reader.seek(19990);
  EXPECT_TRUE(torch::equal(reader.read(100), samples.slice(1, 19990)));
  EXPECT_EQ(reader.read(100).sizes(), (std::vector<int64_t>{2, 0}));
  EXPECT_ERROR(reader.seek(20001), "s.wav: there is no sample 20001");
  EXPECT_ERROR(reader.read(-1), "a piece of -1 samples");
  EXPECT_ERROR(SoundReader(folder / "none.wav"), "none.wav");
  const auto whole = read_file(folder / "s.wav");
  write_file(folder / "cut.wav", whole.substr(0, whole.size() - 8));
  EXPECT_ERROR(SoundReader(folder / "cut.wav"), "cut.wav: cut short");
  auto piped = whole.substr(0, whole.size() - 8);
  piped.replace(40, 4, "\xFF\xFF\xFF\xFF");
  write_file(folder / "piped.wav", piped);
  SoundReader other(folder / "piped.wav");
  other.seek(19990);
  EXPECT_TRUE(torch::equal(other.read(100), samples.slice(1, 19990, 19998)));
}

TEST(EncodeWav, WritesWhatIsReadBack) {
  torch::manual_seed(1);
  for (const auto channels : {1, 2, 5}) {
    const auto samples = (torch::randn({channels, 1000}) * 0.3).clamp(-0.99, 0.99);
    const auto file = encode_wav(samples, 22050, WavSamples::float32);
    EXPECT_EQ(file, encode_wav(samples, 22050, WavSamples::float32));
    const auto sound = decode_sound(bytes(file), "s.wav");
    EXPECT_EQ(sound.rate, 22050);
    EXPECT_TRUE(torch::equal(sound.samples, samples));
    const auto small = decode_sound(bytes(encode_wav(samples, 8000)), "s.wav").samples;
    EXPECT_LE((small - samples).abs().max().item<double>(), 0.5 / 32768 + 1e-9);
    // What was read is written as it was.
    EXPECT_TRUE(torch::equal(decode_sound(bytes(encode_wav(small, 8000)), "s.wav").samples, small));
  }
  EXPECT_EQ(encode_wav(torch::zeros({100}), 8000).size(), 244u);
  EXPECT_EQ(encode_wav(torch::tensor({0.f, 0.5f, -1.f}), 8000), wav({0, 16384, -32768}));
}

TEST(EncodeWav, CutsOffWhatIsTooLoud) {
  const auto loud = torch::tensor({-3.f, 1.f, 7.f, 0.25f});
  const auto cut = decode_sound(bytes(encode_wav(loud, 8000)), "s.wav").samples[0];
  EXPECT_TRUE(torch::equal(cut, torch::tensor({-1.f, 32767 / 32768.f, 32767 / 32768.f, 0.25f})));
  EXPECT_TRUE(torch::equal(decode_sound(bytes(encode_wav(loud, 8000, WavSamples::float32)), "s").samples[0], loud));
}

TEST(EncodeWav, SaysWhatIsWrong) {
  EXPECT_ERROR(encode_wav(torch::ones({4}), 0), "[sound] a WAV has a rate from 1 to 655350, got 0");
  EXPECT_ERROR(encode_wav(torch::ones({0}), 8000), "[sound] a WAV wants samples (T) or (channels, T), got (0)");
  EXPECT_ERROR(encode_wav(torch::ones({2, 2, 2}), 8000), "got (2, 2, 2)");
  EXPECT_ERROR(encode_wav(torch::tensor({1.f, NAN}), 8000), "[sound] a sample is not a finite number");
  EXPECT_ERROR(encode_wav(torch::ones({100, 3}), 8000), "up to 64 channels");
}
