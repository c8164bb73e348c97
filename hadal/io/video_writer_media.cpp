#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/io/video.h"
#include "hadal/io/video_ffmpeg.h"

namespace hadal {
namespace {

using namespace ffmpeg;

struct CloseOutput {
  void operator()(AVFormatContext* it) const {
    avio_closep(&it->pb);
    avformat_free_context(it);
  }
};

/// 29.97 and its kin are whole numbers of frames in 1001 seconds.
AVRational fraction_of(double rate) {
  const auto near = av_d2q(rate * 1001 / 1000, 1000);
  if (near.den == 1 && std::abs(near.num * 1000 / 1001.0 - rate) < 1e-3 && std::abs(rate - std::round(rate)) > 1e-3)
    return {near.num * 1000, 1001};
  return av_d2q(rate, 1000);
}

}  // namespace

struct VideoWriter::State {
  std::filesystem::path path, part;
  AVRational rate{};
  std::unique_ptr<AVFormatContext, CloseOutput> file;
  Owned<AVCodecContext> codec;
  Owned<AVPacket> packet{av_packet_alloc()};
  Owned<AVFrame> frame;
  Owned<SwsContext> scale;
  AVStream* stream = nullptr;
  int64_t count = 0;
  bool begun = false;

  ~State() {
    if (!file) return;
    file.reset();
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
  }
  void check(int code, const char* what) const {
    if (code < 0) throw FileError(path.string(), fmt::format("{}: {}", what, words_of(code)));
  }
  void begin(const Tensor& first);
  void encode(const AVFrame* given);
};

void VideoWriter::State::begin(const Tensor& first) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  AVFormatContext* made = nullptr;
  check(avformat_alloc_output_context2(&made, nullptr, nullptr, path.c_str()), "no format for this ending");
  file.reset(made);
  // H.264's frames come in another order than they are shown, which AVI cannot say.
  const auto* encoder = path.extension() == ".avi" ? nullptr : avcodec_find_encoder_by_name("libx264");
  if (!encoder) encoder = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
  if (!encoder) throw FileError(path.string(), "this FFmpeg writes neither H.264 nor MPEG-4");
  codec.reset(avcodec_alloc_context3(encoder));
  // Colours are kept for two by two pixels.
  codec->width = static_cast<int>((first.size(1) + 1) / 2 * 2);
  codec->height = static_cast<int>((first.size(0) + 1) / 2 * 2);
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->colorspace = AVCOL_SPC_SMPTE170M;
  codec->color_range = AVCOL_RANGE_MPEG;
  codec->framerate = rate;
  codec->time_base = av_inv_q(rate);
  codec->thread_count = std::clamp(at::get_num_threads(), 1, 16);
  if (file->oformat->flags & AVFMT_GLOBALHEADER) codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (encoder->id == AV_CODEC_ID_H264) {
    av_opt_set(codec->priv_data, "preset", "veryfast", 0);
    av_opt_set(codec->priv_data, "crf", "20", 0);
  } else {
    codec->flags |= AV_CODEC_FLAG_QSCALE;
    codec->global_quality = 3 * FF_QP2LAMBDA;
  }
  check(avcodec_open2(codec.get(), encoder, nullptr), "cannot encode such frames");
  stream = avformat_new_stream(file.get(), nullptr);
  if (!stream) throw FileError(path.string(), "no memory for a video");
  check(avcodec_parameters_from_context(stream->codecpar, codec.get()), "cannot write");
  stream->time_base = codec->time_base;
  stream->avg_frame_rate = rate;
  check(avio_open(&file->pb, ("file:" + part.string()).c_str(), AVIO_FLAG_WRITE), "cannot write");
  check(avformat_write_header(file.get(), nullptr), "cannot write");
  frame.reset(av_frame_alloc());
  frame->format = codec->pix_fmt;
  frame->width = codec->width;
  frame->height = codec->height;
  check(av_frame_get_buffer(frame.get(), 0), "no memory for a frame");
}

void VideoWriter::State::encode(const AVFrame* given) {
  check(avcodec_send_frame(codec.get(), given), "cannot encode");
  for (;;) {
    const auto code = avcodec_receive_packet(codec.get(), packet.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
    check(code, "cannot encode");
    if (packet->duration == 0) packet->duration = 1;
    av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
    packet->stream_index = stream->index;
    check(av_interleaved_write_frame(file.get(), packet.get()), "cannot write");
  }
}

VideoWriter::VideoWriter(std::filesystem::path path, double rate) : state_(std::make_unique<State>()) {
  be_quiet();
  const auto ending = path.extension().string();
  require(ending == ".mp4" || ending == ".mov" || ending == ".mkv" || ending == ".avi",
          "{}: videos are written as .mp4, .mov, .mkv or .avi", path.string());
  require(rate >= 0.1 && rate <= 1000, "{}: {} frames a second; a video has 0.1 to 1000", path.string(), rate);
  state_->rate = fraction_of(rate);
  state_->part = path.string() + ".part";
  state_->path = std::move(path);
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::add(const Tensor& image) {
  auto& s = *state_;
  require(image.dim() == 3 && image.scalar_type() == torch::kUInt8 && (image.size(2) == 3 || image.size(2) == 1) &&
              image.numel() > 0,
          "{}: a frame is (H, W, 3 or 1) uint8", s.path.string());
  const auto picture = image.expand({-1, -1, 3}).contiguous();
  if (!s.begun) {
    s.file.reset();
    s.begin(picture);
    s.begun = true;
  }
  const auto width = static_cast<int>(picture.size(1)), height = static_cast<int>(picture.size(0));
  s.scale.reset(sws_getCachedContext(s.scale.release(), width, height, AV_PIX_FMT_RGB24, s.codec->width,
                                     s.codec->height, s.codec->pix_fmt, SWS_BICUBIC | SWS_ACCURATE_RND, nullptr,
                                     nullptr, nullptr));
  if (!s.scale) throw FileError(s.path.string(), fmt::format("cannot scale a frame of {} x {} pixels", width, height));
  s.check(av_frame_make_writable(s.frame.get()), "no memory for a frame");
  const uint8_t* source[4] = {picture.const_data_ptr<uint8_t>()};
  const int strides[4] = {3 * width};
  sws_scale(s.scale.get(), source, strides, 0, height, s.frame->data, s.frame->linesize);
  s.frame->pts = s.count++;
  s.frame->quality = s.codec->global_quality;
  s.encode(s.frame.get());
}

void VideoWriter::close() {
  auto& s = *state_;
  if (!std::exchange(s.begun, false)) return;
  s.encode(nullptr);
  s.check(av_write_trailer(s.file.get()), "cannot write");
  s.check(avio_closep(&s.file->pb), "cannot write");
  std::error_code error;
  std::filesystem::rename(s.part, s.path, error);
  if (error) throw FileError(s.path.string(), "cannot replace: " + error.message());
  s.file.reset();
}

}  // namespace hadal
