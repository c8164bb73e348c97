// What reading and writing of videos share: FFmpeg's objects with owners, its errors as words.
#pragma once
#include <memory>
#include <mutex>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

namespace hadal::ffmpeg {

struct Free {
  void operator()(AVCodecContext* it) const { avcodec_free_context(&it); }
  void operator()(AVFrame* it) const { av_frame_free(&it); }
  void operator()(AVPacket* it) const { av_packet_free(&it); }
  void operator()(SwsContext* it) const { sws_freeContext(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

/// `code` is what a function of FFmpeg's returned.
inline std::string words_of(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

/// Its libraries write to the standard error what Hadal says in errors of its own.
inline void be_quiet() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_level(AV_LOG_QUIET); });
}

}  // namespace hadal::ffmpeg
