#include "common/error.h"
#include "infer/copied_rows.h"
#include "infer/program.h"
#include "infer/winograd.h"

namespace fovea {

PackedConvolution Session::packed(const Geometry& geometry, Finish finish, const float* weight,
                                  const FinishValues& values) const {
  PackedConvolution packed = pack(geometry, finish, weight, values, *kernels_);
  if (packed.winograd_values > 0) packed.winograd = winograd_weights(packed, weight, *kernels_);
  return packed;
}

int Session::add_convolution(PackedConvolution convolution) {
  if (convolution.winograd_values > 0)
    scratch_winograd_ = std::max(scratch_winograd_, winograd_scratch(convolution, *kernels_));
  scratch_rows_ = std::max(scratch_rows_, copied_values(convolution, kernels_->tile_rows));
  convolutions_.push_back(std::make_unique<PackedConvolution>(std::move(convolution)));
  return static_cast<int>(convolutions_.size()) - 1;
}

int Session::add_outline(const Geometry& geometry, Finish finish) {
  convolutions_.push_back(std::make_unique<PackedConvolution>(outline(geometry, finish, shape_)));
  return static_cast<int>(convolutions_.size()) - 1;
}

int Session::add_masker(Masker masker) {
  maskers_.push_back(std::move(masker));
  return static_cast<int>(maskers_.size()) - 1;
}

int Session::add_bias(Bias bias) {
  biases_.push_back(std::move(bias));
  return static_cast<int>(biases_.size()) - 1;
}

int Session::add_program(ProgramTables tables) {
  auto program = std::make_unique<Program>(*this, std::move(tables));
  if (!runs()) {
    programs_.push_back(std::move(program));
    return static_cast<int>(programs_.size()) - 1;
  }
  const auto& sizes = program->buffer_sizes();
  if (buffers_.size() < sizes.size()) buffers_.resize(sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) {
    const size_t size = static_cast<size_t>(sizes[i]);
    if (buffers_[i].size() < size) buffers_[i] = AlignedFloats(size);
  }
  if (zeros_.size() < static_cast<size_t>(program->most_channels()))
    zeros_ = AlignedFloats(static_cast<size_t>(program->most_channels()));
  if (static_cast<long>(passing_.size()) < program->most_scratch())
    passing_ = AlignedFloats(static_cast<size_t>(program->most_scratch()));
  scratch_taps_ = std::max(scratch_taps_, program->most_taps());
  scratch_attended_ = std::max(scratch_attended_, program->most_attended());
  scratch_.clear();
  programs_.push_back(std::move(program));
  return static_cast<int>(programs_.size()) - 1;
}

size_t Session::bytes() const {
  size_t values = zeros_.size() + passing_.size();
  for (const auto& convolution : convolutions_) values += convolution->values();
  for (const Bias& bias : biases_) values += bias.values.size();
  for (const AlignedFloats& buffer : buffers_) values += buffer.size();
  return values * sizeof(float);
}

const PackedConvolution& Session::convolution(int index) const {
  if (index < 0 || index >= convolution_count())
    reject("convolution " + std::to_string(index) + ": the session has " + std::to_string(convolution_count()));
  return *convolutions_[index];
}

const Masker& Session::masker(int index) const {
  if (index < 0 || index >= static_cast<int>(maskers_.size()))
    reject("masker " + std::to_string(index) + ": the session has " + std::to_string(maskers_.size()));
  return maskers_[index];
}

const Bias& Session::bias(int index) const {
  if (index < 0 || index >= static_cast<int>(biases_.size()))
    reject("bias " + std::to_string(index) + ": the session has " + std::to_string(biases_.size()));
  return biases_[index];
}

Program& Session::program(int index) {
  if (index < 0 || index >= static_cast<int>(programs_.size()))
    reject("program " + std::to_string(index) + ": the session has " + std::to_string(programs_.size()));
  if (!programs_[index]) reject("program " + std::to_string(index) + " has been dropped");
  return *programs_[index];
}

void Session::run(Program& program, int first, int last, int threads, bool paced, bool counted, ThreadPool& pool,
                  const std::function<void(int)>& on_progress) {
  while (scratch_.size() < static_cast<size_t>(threads)) {
    // Added when it has its memory: the next run would take one without for a whole one.
    Scratch scratch;
    scratch.reserve(scratch_taps_, scratch_winograd_, scratch_rows_, scratch_attended_, *kernels_);
    scratch_.push_back(std::move(scratch));
  }
  const Machine machine{kernels_, &pool, threads, &stop, scratch_.data(), zeros_.data(), band_pixels_};
  program.run(*this, machine, first, last, paced ? &pace_ : nullptr, counted, on_progress);
}

}  // namespace fovea
