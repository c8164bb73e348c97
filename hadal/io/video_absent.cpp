#include "hadal/core/error.h"
#include "hadal/io/video.h"

namespace hadal {
namespace {

constexpr const char* kAbsent = "this build of Hadal has no video (HADAL_CORE_ONLY); build it with FFmpeg's libraries";

}  // namespace

struct VideoReader::State {};
VideoReader::VideoReader(const std::filesystem::path& path, const VideoLimits&) {
  throw FileError(path.string(), kAbsent);
}
VideoReader::~VideoReader() = default;
std::optional<VideoFrame> VideoReader::next() { return {}; }
double VideoReader::rate() const { return 0; }

struct VideoWriter::State {};
VideoWriter::VideoWriter(std::filesystem::path path, double) { throw FileError(path.string(), kAbsent); }
VideoWriter::~VideoWriter() = default;
void VideoWriter::add(const Tensor&) {}
void VideoWriter::close() {}

}  // namespace hadal
