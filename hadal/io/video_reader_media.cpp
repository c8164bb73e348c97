#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/io/video.h"
#include "hadal/io/video_ffmpeg.h"

extern "C" {
#include <libavutil/display.h>
}

namespace hadal {
namespace {

using namespace ffmpeg;

struct CloseInput {
  void operator()(AVFormatContext* it) const { avformat_close_input(&it); }
};

/// Counterclockwise quarter turns that bring a stream's frames upright.
int64_t turns_of(const AVStream& stream) {
  const uint8_t* matrix = nullptr;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  const auto* data = av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
                                             AV_PKT_DATA_DISPLAYMATRIX);
  if (data && data->size >= 9 * sizeof(int32_t)) matrix = data->data;
#else
  size_t size = 0;
  const auto* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (data && size >= 9 * sizeof(int32_t)) matrix = data;
#endif
  if (!matrix) return 0;
  const auto angle = av_display_rotation_get(reinterpret_cast<const int32_t*>(matrix));
  return std::isfinite(angle) ? (std::lround(angle / 90) % 4 + 4) % 4 : 0;
}

}  // namespace

struct VideoReader::State {
  std::string name;
  VideoLimits limits;
  std::unique_ptr<AVFormatContext, CloseInput> file;
  Owned<AVCodecContext> codec;
  Owned<AVPacket> packet{av_packet_alloc()};
  Owned<AVFrame> frame{av_frame_alloc()};
  Owned<SwsContext> scale;
  AVStream* stream = nullptr;
  int64_t turns = 0, given = 0, damaged = 0, first = AV_NOPTS_VALUE;
  double rate = 25;
  double end = 0;  // of the latest packet of any stream, in seconds
  bool drained = false, done = false;

  [[noreturn]] void refuse(const std::string& what) {
    done = true;
    throw FileError(name, what);
  }
  void open(const std::filesystem::path& path);
  void read_packet();
  void note_end();
  void finish();
  Tensor image();
};

void VideoReader::State::open(const std::filesystem::path& path) {
  be_quiet();
  AVDictionary* options = nullptr;
  // Play lists are formats, too, and name other files: only containers are let in.
  av_dict_set(&options, "format_whitelist", "mov,matroska,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,gif,m4v,h264,hevc,ivf",
              0);
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  AVFormatContext* opened = nullptr;
  const auto code = avformat_open_input(&opened, ("file:" + path.string()).c_str(), nullptr, &options);
  av_dict_free(&options);
  if (code < 0) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) refuse(error.message());
    if (size == 0) refuse("an empty file, not a video");
    refuse(fmt::format("not a video that can be read, or one cut short before its index: {}", words_of(code)));
  }
  file.reset(opened);
  if (const auto found = avformat_find_stream_info(file.get(), nullptr); found < 0)
    refuse(fmt::format("not a video that can be read: {}", words_of(found)));
  const AVCodec* decoder = nullptr;
  const auto index = av_find_best_stream(file.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
  if (index == AVERROR_DECODER_NOT_FOUND) refuse("a video of a kind that this FFmpeg does not decode");
  if (index < 0) refuse("holds no video, only sound or text");
  stream = file->streams[index];
  codec.reset(avcodec_alloc_context3(decoder));
  if (!codec || avcodec_parameters_to_context(codec.get(), stream->codecpar) < 0)
    refuse("a video whose header is broken");
  codec->max_pixels = limits.max_pixels;
  codec->thread_count = std::clamp(at::get_num_threads(), 1, 16);
  codec->pkt_timebase = stream->time_base;
  const auto pixels = int64_t{std::max(codec->width, 0)} * std::max(codec->height, 0);
  if (pixels > limits.max_pixels)
    refuse(fmt::format("frames of {} x {} pixels are more than the limit of {}", codec->width, codec->height,
                       limits.max_pixels));
  if (const auto started = avcodec_open2(codec.get(), decoder, nullptr); started < 0)
    refuse(fmt::format("a video that does not decode: {}", words_of(started)));
  turns = turns_of(*stream);
  const auto said = av_q2d(av_guess_frame_rate(file.get(), stream, nullptr));
  if (std::isfinite(said) && said > 0) rate = std::clamp(said, 0.1, 1000.0);
}

void VideoReader::State::note_end() {
  const auto& own = *file->streams[packet->stream_index];
  const auto at = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
  if (at == AV_NOPTS_VALUE) return;
  const auto start = file->start_time == AV_NOPTS_VALUE ? 0 : static_cast<double>(file->start_time) / AV_TIME_BASE;
  end =
      std::max(end, (static_cast<double>(at) + static_cast<double>(packet->duration)) * av_q2d(own.time_base) - start);
}

/// The next packet of the stream into the decoder, or at the end the word that no more comes.
void VideoReader::State::read_packet() {
  for (;;) {
    const auto code = av_read_frame(file.get(), packet.get());
    if (code < 0) {
      if (code != AVERROR_EOF) ++damaged;
      drained = true;
      avcodec_send_packet(codec.get(), nullptr);
      return;
    }
    note_end();
    const bool own = packet->stream_index == stream->index;
    if (own && (packet->flags & AV_PKT_FLAG_CORRUPT)) ++damaged;
    const auto sent = own ? avcodec_send_packet(codec.get(), packet.get()) : 0;
    av_packet_unref(packet.get());
    if (sent < 0) ++damaged;
    if (own) return;
  }
}

/// A file that ends before its header says is worth a word, once.
void VideoReader::State::finish() {
  done = true;
  const auto count = fmt::format("{} frame{}", given, given == 1 ? "" : "s");
  if (file->duration != AV_NOPTS_VALUE && file->duration_estimation_method == AVFMT_DURATION_FROM_STREAM) {
    const auto whole = static_cast<double>(file->duration) / AV_TIME_BASE;
    if (end < whole - std::max({0.25, 4 / rate, 0.01 * whole}))
      refuse(fmt::format("cut short: {:.2f} of {:.2f} seconds, {}", end, whole, count));
  }
  if (damaged > 0) refuse(fmt::format("damaged or cut short: {} of its packets do not decode, {}", damaged, count));
  if (given == 0) refuse("a video without a frame that decodes");
}

Tensor VideoReader::State::image() {
  const int64_t width = frame->width, height = frame->height;
  if (width < 1 || height < 1 || width > limits.max_pixels / height)
    refuse(fmt::format("a frame of {} x {} pixels; the limit is {}", width, height, limits.max_pixels));
  scale.reset(sws_getCachedContext(
      scale.release(), frame->width, frame->height, static_cast<AVPixelFormat>(frame->format), frame->width,
      frame->height, AV_PIX_FMT_RGB24, SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr, nullptr, nullptr));
  if (!scale) refuse("a video whose kind of pixels is not known");
  const auto* colours = sws_getCoefficients(frame->colorspace == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
  sws_setColorspaceDetails(scale.get(), colours, frame->color_range == AVCOL_RANGE_JPEG, colours, 1, 0, 1 << 16,
                           1 << 16);
  // The scaler writes whole vectors of pixels, beyond a row's end.
  const auto stride = (3 * width + 63) / 64 * 64;
  auto rows = torch::empty({height + 1, stride}, torch::kUInt8);
  uint8_t* target[4] = {rows.data_ptr<uint8_t>()};
  const int strides[4] = {static_cast<int>(stride)};
  sws_scale(scale.get(), frame->data, frame->linesize, 0, frame->height, target, strides);
  const auto picture = rows.slice(0, 0, height).slice(1, 0, 3 * width).reshape({height, width, 3});
  return picture.rot90(turns).contiguous();
}

VideoReader::VideoReader(const std::filesystem::path& path, const VideoLimits& limits)
    : state_(std::make_unique<State>()) {
  state_->name = path.string();
  state_->limits = limits;
  state_->open(path);
}

VideoReader::~VideoReader() = default;

double VideoReader::rate() const { return state_->rate; }

std::optional<VideoFrame> VideoReader::next() {
  auto& s = *state_;
  while (!s.done) {
    const auto code = avcodec_receive_frame(s.codec.get(), s.frame.get());
    if (code == 0) {
      VideoFrame out{s.image(), s.given, static_cast<double>(s.given) / s.rate};
      if (const auto at = s.frame->best_effort_timestamp; at != AV_NOPTS_VALUE) {
        if (s.first == AV_NOPTS_VALUE) s.first = at;
        out.time = static_cast<double>(at - s.first) * av_q2d(s.stream->time_base);
      }
      ++s.given;
      av_frame_unref(s.frame.get());
      return out;
    }
    if (s.drained) {
      if (code != AVERROR_EOF) ++s.damaged;
      s.finish();
      break;
    }
    if (code != AVERROR(EAGAIN)) ++s.damaged;
    s.read_packet();
  }
  return {};
}

}  // namespace hadal
