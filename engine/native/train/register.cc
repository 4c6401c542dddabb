// trainCompile and trainRun: a training step as a list of operations over typed arrays, run off the JavaScript thread.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>

#include "common/thread_pool.h"
#include "module.h"
#include "train/op.h"

namespace fovea {
namespace train {

const OpKind* find_op(const std::string& name) {
  for (const auto* table : {&convolution_ops, &normalisation_ops, &pooling_ops, &mask_ops, &loss_ops, &branch_ops, &distil_ops})
    for (const OpKind& kind : *table)
      if (name == kind.name) return &kind;
  return nullptr;
}

namespace {

constexpr long kMostElements = 1L << 31;

struct Program {
  std::vector<Op> ops;
  // An array that references every typed array used, so that none is garbage-collected.
  napi_ref arrays = nullptr;
  bool running = false;
};

struct Run {
  Program* program;
  napi_ref keep = nullptr;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  long first, last;
  int threads;
  int32_t* stop;
  double* seconds;
  bool finished = false;
};

napi_value fail(napi_env env, const std::string& message) {
  napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

std::string text(napi_env env, napi_value value) {
  char buffer[64] = {};
  size_t length = 0;
  napi_get_value_string_utf8(env, value, buffer, sizeof buffer, &length);
  return std::string(buffer, length);
}

bool read_span(napi_env env, napi_value value, Span& span) {
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed) return false;
  napi_typedarray_type type;
  size_t length = 0;
  if (napi_get_typedarray_info(env, value, &type, &length, &span.data, nullptr, nullptr) != napi_ok) return false;
  span.length = static_cast<long>(length);
  return type == napi_float32_array || type == napi_int32_array || type == napi_uint32_array;
}

// trainCompile(ops: { op: string, dims: number[], buffers: TypedArray[] }[]): program
napi_value compile(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value list;
  napi_get_cb_info(env, info, &argc, &list, nullptr, nullptr);
  uint32_t count = 0;
  if (napi_get_array_length(env, list, &count) != napi_ok) return fail(env, "trainCompile: expected a list of operations");
  auto program = std::make_unique<Program>();
  napi_value arrays;
  napi_create_array(env, &arrays);
  uint32_t held = 0;
  for (uint32_t i = 0; i < count; i++) {
    napi_value item, name, dims, buffers;
    napi_get_element(env, list, i, &item);
    napi_get_named_property(env, item, "op", &name);
    napi_get_named_property(env, item, "dims", &dims);
    napi_get_named_property(env, item, "buffers", &buffers);
    const std::string label = text(env, name);
    Op op;
    op.kind = find_op(label);
    if (!op.kind) return fail(env, "trainCompile: no operation is called " + label);
    uint32_t length = 0;
    napi_get_array_length(env, dims, &length);
    for (uint32_t d = 0; d < length; d++) {
      napi_value number;
      int64_t value = 0;
      napi_get_element(env, dims, d, &number);
      napi_get_value_int64(env, number, &value);
      if (value < 0 || value >= kMostElements) return fail(env, "trainCompile: " + label + ": a dimension is out of range");
      op.dims.push_back(value);
    }
    uint32_t given = 0;
    napi_get_array_length(env, buffers, &given);
    for (uint32_t b = 0; b < given; b++) {
      napi_value array;
      Span span;
      napi_get_element(env, buffers, b, &array);
      if (!read_span(env, array, span)) return fail(env, "trainCompile: " + label + ": a buffer is not a 4-byte typed array");
      op.buffers.push_back(span);
      napi_set_element(env, arrays, held++, array);
    }
    if (op.dims.size() < op.kind->dims) return fail(env, "trainCompile: " + label + ": too few dimensions");
    const std::vector<long> needs = op.kind->needs(op.dims);
    if (given < needs.size() || given < op.kind->buffers) return fail(env, "trainCompile: " + label + ": too few buffers");
    for (size_t b = 0; b < needs.size(); b++)
      if (needs[b] < 0 || needs[b] > op.buffers[b].length)
        return fail(env, "trainCompile: " + label + ": buffer " + std::to_string(b) + " needs " + std::to_string(needs[b]) +
                             " values, has " + std::to_string(op.buffers[b].length));
    program->ops.push_back(std::move(op));
  }
  napi_create_reference(env, arrays, 1, &program->arrays);
  napi_value external;
  napi_create_external(
      env, program.release(),
      [](napi_env env, void* data, void*) {
        auto* program = static_cast<Program*>(data);
        if (program->arrays) napi_delete_reference(env, program->arrays);
        delete program;
      },
      nullptr, &external);
  return external;
}

void execute(napi_env, void* data) {
  Run& run = *static_cast<Run*>(data);
  Team team(run.threads);
  for (long i = run.first; i < run.last; i++) {
    if (__atomic_load_n(run.stop, __ATOMIC_RELAXED) != 0) return;
    const auto begin = std::chrono::steady_clock::now();
    Op& op = run.program->ops[i];
    op.kind->run(op, team);
    run.seconds[i] += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  run.finished = true;
}

void complete(napi_env env, napi_status, void* data) {
  std::unique_ptr<Run> run(static_cast<Run*>(data));
  run->program->running = false;
  napi_value finished;
  napi_get_boolean(env, run->finished, &finished);
  napi_resolve_deferred(env, run->deferred, finished);
  napi_delete_async_work(env, run->work);
  napi_delete_reference(env, run->keep);
}

// trainRun(program, first, last, threads, stop: Int32Array(1), seconds: Float64Array(ops)): Promise<boolean>
// Runs operations first … last − 1; false when `stop` was set before the end.
napi_value start(napi_env env, napi_callback_info info) {
  size_t argc = 6;
  napi_value values[6];
  napi_get_cb_info(env, info, &argc, values, nullptr, nullptr);
  auto run = std::make_unique<Run>();
  void* program = nullptr;
  int64_t first = 0, last = 0, threads = 1;
  Span stop;
  if (argc < 6 || napi_get_value_external(env, values[0], &program) != napi_ok ||
      napi_get_value_int64(env, values[1], &first) != napi_ok || napi_get_value_int64(env, values[2], &last) != napi_ok ||
      napi_get_value_int64(env, values[3], &threads) != napi_ok || !read_span(env, values[4], stop) || stop.length < 1)
    return fail(env, "trainRun: expected (program, first, last, threads, stop, seconds)");
  run->program = static_cast<Program*>(program);
  napi_typedarray_type type;
  size_t slots = 0;
  void* seconds = nullptr;
  if (napi_get_typedarray_info(env, values[5], &type, &slots, &seconds, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array || slots < run->program->ops.size())
    return fail(env, "trainRun: `seconds` must be a Float64Array with one slot per operation");
  if (first < 0 || last > static_cast<int64_t>(run->program->ops.size()) || first > last)
    return fail(env, "trainRun: the range lies outside the program");
  if (run->program->running) return fail(env, "trainRun: this program is running already");
  run->program->running = true;
  run->first = first;
  run->last = last;
  run->threads = static_cast<int>(std::clamp<int64_t>(threads, 1, max_threads));
  run->stop = stop.ints();
  run->seconds = static_cast<double*>(seconds);
  napi_value keep, promise, label;
  napi_create_array_with_length(env, 3, &keep);
  napi_set_element(env, keep, 0, values[0]);
  napi_set_element(env, keep, 1, values[4]);
  napi_set_element(env, keep, 2, values[5]);
  napi_create_reference(env, keep, 1, &run->keep);
  napi_create_promise(env, &run->deferred, &promise);
  napi_create_string_utf8(env, "fovea train", NAPI_AUTO_LENGTH, &label);
  napi_create_async_work(env, nullptr, label, execute, complete, run.get(), &run->work);
  napi_queue_async_work(env, run->work);
  run.release();
  return promise;
}

napi_value instruction_set(napi_env env, napi_callback_info) {
  napi_value name;
  napi_create_string_utf8(env, kernels().name, NAPI_AUTO_LENGTH, &name);
  return name;
}

}  // namespace
}  // namespace train

void register_train(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"trainCompile", nullptr, train::compile, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"trainRun", nullptr, train::start, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"trainInstructionSet", nullptr, train::instruction_set, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}

}  // namespace fovea
