#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>

#include "hadal/io/image.h"
#include "hadal/io/video.h"

namespace hadal {
namespace {

using namespace std::string_view_literals;

/// The boxes that MP4 begins with also hold pictures and sounds: their brands tell.
bool begins_like_mp4(std::string_view bytes) {
  if (bytes.size() < 12) return false;
  const auto kind = bytes.substr(4, 4), brand = bytes.substr(8, 4);
  if (kind == "moov"sv || kind == "mdat"sv || kind == "wide"sv) return true;
  constexpr std::array kOthers{"avif"sv, "avis"sv, "heic"sv, "heix"sv, "mif1"sv, "msf1"sv, "M4A "sv, "M4B "sv};
  return kind == "ftyp"sv && std::find(kOthers.begin(), kOthers.end(), brand) == kOthers.end();
}

bool begins_like_video(std::string_view bytes) {
  if (begins_like_mp4(bytes)) return true;
  for (const auto magic : {"\x1A\x45\xDF\xA3"sv, "FLV\x01"sv, "GIF8"sv, "\0\0\x01\xBA"sv, "\0\0\x01\xB3"sv,
                           "\x30\x26\xB2\x75\x8E\x66\xCF\x11"sv})
    if (bytes.starts_with(magic)) return true;
  if (bytes.starts_with("RIFF"sv) && bytes.substr(8, 4) == "AVI "sv) return true;
  return bytes.size() > 376 && bytes[0] == 'G' && bytes[188] == 'G' && bytes[376] == 'G';  // MPEG's transport stream
}

}  // namespace

bool named_like_video(const std::filesystem::path& path) {
  auto ending = path.extension().string();
  for (auto& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array kEndings{".mp4"sv, ".m4v"sv, ".mov"sv, ".mkv"sv, ".webm"sv, ".avi"sv, ".mpg"sv, ".mpeg"sv,
                                ".ts"sv,  ".mts"sv, ".ogv"sv, ".flv"sv, ".wmv"sv,  ".3gp"sv, ".gif"sv};
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

bool looks_like_video(const std::filesystem::path& path) {
  // What a pipe gives once it gives no more.
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return !error && named_like_video(path);
  std::array<char, 1024> begin{};
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  file.read(begin.data(), begin.size());
  const std::string_view bytes(begin.data(), static_cast<size_t>(file.gcount()));
  return begins_like_video(bytes) || (named_like_video(path) && !begins_like_picture(bytes));
}

}  // namespace hadal
