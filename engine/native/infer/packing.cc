// Receives weights from JavaScript. They are checked and copied at once and packed on another thread, because packing
// a large network would block the event loop for too long.
#include "infer/boundary.h"

namespace fovea {

Geometry read_geometry(const int32_t* v) {
  const Geometry g{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12]};
  const auto within = [](int value, int least, int most, const char* name) {
    if (value < least || value > most)
      reject(std::string(name) + " " + std::to_string(value) + ": an integer of " + std::to_string(least) + " to " +
             std::to_string(most) + " is accepted");
  };
  constexpr int most_channels = 1 << 20, most_extent = 1 << 12;
  within(g.in_channels, 1, most_channels, "in channels");
  within(g.out_channels, 1, most_channels, "out channels");
  for (int extent : {g.kernel_height, g.kernel_width, g.stride_y, g.stride_x, g.dilation_y, g.dilation_x})
    within(extent, 1, most_extent, "kernel, stride or dilation");
  for (int pad : {g.pad_top, g.pad_left, g.pad_bottom, g.pad_right}) within(pad, 0, most_extent, "padding");
  within(g.groups, 1, g.in_channels, "groups");
  // So that products of a few of these stay within 64 bits.
  require(g.taps() <= most_positions, "kernel of ", g.kernel_height, " x ", g.kernel_width, ": at most ", most_positions,
          " positions are accepted");
  require(static_cast<double>(g.out_channels) * (g.in_channels / g.groups) * g.taps() <= most_values,
          "a convolution of more than 2^32 weights");
  if (g.in_channels % g.groups || g.out_channels % g.groups)
    reject("groups " + std::to_string(g.groups) + " do not divide " + std::to_string(g.in_channels) + " and " +
           std::to_string(g.out_channels) + " channels");
  return g;
}

Finish read_finish(const int32_t* values) {
  const auto activation = static_cast<Activation>(values[0]);
  if (!known(activation) && activation != Activation::prelu) reject("no such activation");
  if (values[1] < 0 || values[1] > 2) reject("normalised: 0, 1 or 2 is accepted");
  if (values[2] != 0 && values[2] != 1) reject("maximum: 0 or 1 is accepted");
  return {activation, values[1] != 0, values[1] != 2, values[2] != 0};
}

namespace {

struct Packing {
  std::shared_ptr<Session> session;
  Geometry geometry;
  Finish finish;
  // Copies: JavaScript may transfer its arrays meanwhile.
  std::vector<float> weight, bias, slopes, normalisation;
  PackedConvolution packed;
  std::string failure;
  napi_deferred deferred;
  napi_async_work work;
};

void pack_weights(napi_env, void* data) {
  Packing& packing = *static_cast<Packing*>(data);
  try {
    const auto some = [](const std::vector<float>& values) { return values.empty() ? nullptr : values.data(); };
    const FinishValues values{packing.bias.data(), some(packing.slopes), some(packing.normalisation)};
    packing.packed =
        packing.session->packed(packing.geometry, packing.finish, packing.weight.data(), values);
  } catch (const std::exception&) {
    packing.failure = "not enough memory for the weights of this network";
  }
}

void finish_packing(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Packing> packing(static_cast<Packing*>(data));
  // Convolutions must not move while a program reads them.
  if (packing->session->busy) packing->failure = "the session is running";
  if (status == napi_ok && packing->failure.empty()) {
    const int number = packing->session->add_convolution(std::move(packing->packed));
    napi_resolve_deferred(env, packing->deferred, number_value(env, number));
  } else {
    if (packing->failure.empty()) packing->failure = "packing was cancelled";
    napi_reject_deferred(env, packing->deferred, make_error(env, "bad-argument", packing->failure.c_str()));
  }
  napi_delete_async_work(env, packing->work);
}

napi_value add_convolution(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 6);
    auto packing = std::make_unique<Packing>();
    packing->session = session_of(env, arguments[0]);
    if (!packing->session->runs()) reject("the session describes programs and packs no weights");
    const auto words = arguments.array<int32_t>(1, "geometry", 16);
    packing->geometry = read_geometry(words.data);
    packing->finish = read_finish(words.data + 13);
    const Geometry& g = packing->geometry;
    const size_t weights = static_cast<size_t>(g.out_channels) * (g.in_channels / g.groups) * g.taps();
    const auto weight = arguments.array<float>(2, "weight", weights);
    const auto bias = arguments.array<float>(3, "bias", g.out_channels);
    const auto slopes =
        arguments.array<float>(4, "slopes", packing->finish.activation == Activation::prelu ? g.out_channels : 0);
    const auto normalisation = arguments.array<float>(
        5, "normalisation", packing->finish.normalised ? 1 + 2 * static_cast<size_t>(g.out_channels) : 0);
    if (packing->finish.normalised && !(normalisation.data[0] > 0)) reject("epsilon must be above 0");
    packing->weight.assign(weight.data, weight.data + weight.length);
    packing->bias.assign(bias.data, bias.data + bias.length);
    if (slopes.length > 0) packing->slopes.assign(slopes.data, slopes.data + slopes.length);
    if (normalisation.length > 0)
      packing->normalisation.assign(normalisation.data, normalisation.data + normalisation.length);
    napi_value promise, name;
    napi_create_string_utf8(env, "fovea packing", NAPI_AUTO_LENGTH, &name);
    check_status(napi_create_promise(env, &packing->deferred, &promise), "promise");
    check_status(napi_create_async_work(env, nullptr, name, pack_weights, finish_packing, packing.get(), &packing->work),
                 "packing");
    check_status(napi_queue_async_work(env, packing->work), "packing");
    // finish_packing deletes it.
    packing.release();
    return promise;
  });
}

napi_value add_bias(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 2);
    Session& session = idle_session(env, arguments[0]);
    Bias bias{0, arguments.copy<float>(1, "bias")};
    bias.count = static_cast<long>(bias.values.size());
    if (!session.runs()) bias.values = {};
    return number_value(env, session.add_bias(std::move(bias)));
  });
}

}  // namespace

void register_packing(napi_env env, napi_value exports) {
  export_function(env, exports, "inferBias", add_bias);
  export_function(env, exports, "inferConvolution", add_convolution);
}

}  // namespace fovea
