// Videos in and out, through FFmpeg's libraries. A frame is a picture as in image.h, (H, W, 3) uint8 RGB, upright as
// the file says it was held.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "hadal/core/torch.h"

namespace hadal {

/// Whether to read a file as a video: by how it begins, or, where that says nothing, by its name's ending. Reads no
/// more than its first kilobyte; false for what cannot be opened.
bool looks_like_video(const std::filesystem::path& path);
/// By the name alone.
bool named_like_video(const std::filesystem::path& path);

struct VideoLimits {
  int64_t max_pixels = int64_t{1} << 26;  // of a frame
};

struct VideoFrame {
  Tensor image;
  int64_t index = 0;  // from 0
  double time = 0;    // in seconds, from the first frame
};

/// Reads MP4 and MOV, Matroska and WebM, AVI, MPEG, Ogg, FLV, WMV and GIF, frame by frame. What a file says of other
/// files or addresses is not followed. Throws FileError with the file's name, at its making for what is no video.
class VideoReader {
 public:
  explicit VideoReader(const std::filesystem::path& path, const VideoLimits& limits = {});
  ~VideoReader();
  VideoReader(const VideoReader&) = delete;
  VideoReader& operator=(const VideoReader&) = delete;

  /// The next frame; nothing at the end. A file that is cut short or damaged gives the frames that decode, then throws
  /// once.
  std::optional<VideoFrame> next();
  /// Frames a second, as the file says; on average where they come unevenly.
  double rate() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes .mp4, .mov, .mkv or .avi as the name's ending says: H.264 where this FFmpeg has x264, else and in AVI
/// MPEG-4. It appears
/// under its name with close(); without, the destructor removes what was written.
class VideoWriter {
 public:
  VideoWriter(std::filesystem::path path, double rate);
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  /// (H, W, 3 or 1) uint8. The first one says how large the video is, odd sides a pixel more; others are brought to
  /// that.
  void add(const Tensor& image);
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hadal
