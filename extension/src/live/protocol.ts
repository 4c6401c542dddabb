import type { LIVE_TARGET as KernelLiveTarget, LiveReply } from '@fovea/kernel';
import { fail, list, number, object, text, whole } from '../documents/check-fields';
import { checkProfile } from '../documents/latency';
import { readMasks } from '../documents/masks';

export type {
  LiveBrowserRun,
  LiveCatalogue,
  LiveDevice,
  LiveGpuPrediction,
  LiveReply,
  LiveRequest,
  LiveState,
} from '@fovea/kernel';

export const LIVE_TARGET: typeof KernelLiveTarget = 'fovea.live';

function checkCatalogue(value: unknown, path: string): void {
  const fields = object(value, path);
  list(
    fields.networks,
    `${path}.networks`,
    (each, at) => {
      const network = object(each, at);
      text(network.name, `${at}.name`);
      whole(network.stages, `${at}.stages`, 1);
      list(network.maps, `${at}.maps`, (map, mapAt) => {
        const { height, width } = object(map, mapAt);
        whole(height, `${mapAt}.height`, 1);
        whole(width, `${mapAt}.width`, 1);
      });
    },
    1,
  );
  list(fields.images, `${path}.images`, (each, at) => {
    const image = object(each, at);
    text(image.name, `${at}.name`);
    text(image.png, `${at}.png`);
  });
  if (fields.refusedImages !== undefined) {
    list(fields.refusedImages, `${path}.refusedImages`, (each, at) => {
      const image = object(each, at);
      text(image.name, `${at}.name`);
      text(image.reason, `${at}.reason`);
    });
  }
  if (fields.moreImages !== undefined) whole(fields.moreImages, `${path}.moreImages`, 1);
  list(fields.devices, `${path}.devices`, (each, at) => {
    const device = object(each, at);
    text(device.name, `${at}.name`);
    text(device.kind, `${at}.kind`);
  });
  list(fields.strategies, `${path}.strategies`, text);
  whole(fields.maxThreads, `${path}.maxThreads`, 1);
  const state = object(fields.state, `${path}.state`);
  text(state.network, `${path}.state.network`);
  list(state.granularity, `${path}.state.granularity`, (each, at) => {
    whole(each, at, 1);
  });
  number(state.rate, `${path}.state.rate`, 0, 1);
}

function checkBrowserRun(value: unknown, path: string): void {
  const fields = object(value, path);
  if (fields.refused !== undefined) {
    text(fields.refused, `${path}.refused`);
    return;
  }
  text(fields.key, `${path}.key`);
  object(fields.plan, `${path}.plan`);
  list(fields.shape, `${path}.shape`, (extent, at) => {
    whole(extent, at, 1);
  });
  if (fields.predicted === undefined) return;
  const predicted = object(fields.predicted, `${path}.predicted`);
  text(predicted.device, `${path}.predicted.device`);
  number(predicted.totalMs, `${path}.predicted.totalMs`, 0);
  number(predicted.denseMs, `${path}.predicted.denseMs`, 0);
}

/**
 * Reads what the kernel sent.
 *
 * @throws MalformedDocument when it does not follow the protocol.
 */
export function readReply(value: unknown): LiveReply {
  const fields = object(value, '');
  const serial = () => whole(fields.serial, 'serial', 0);
  switch (fields.type) {
    case 'catalogue':
      checkCatalogue(fields.catalogue, 'catalogue');
      break;
    case 'prediction':
      serial();
      checkProfile(fields.profile, 'profile');
      checkProfile(fields.dense, 'dense');
      break;
    case 'progress':
      serial();
      number(fields.fraction, 'fraction', 0, 1);
      text(fields.name, 'name');
      break;
    case 'result':
      serial();
      readMasks(fields.masks);
      checkProfile(fields.measured, 'measured');
      checkProfile(fields.predicted, 'predicted');
      checkProfile(fields.dense, 'dense');
      if (fields.browser !== undefined) checkBrowserRun(fields.browser, 'browser');
      break;
    case 'network':
      serial();
      text(fields.key, 'key');
      whole(fields.offset, 'offset', 0);
      whole(fields.totalBytes, 'totalBytes', 1);
      break;
    case 'calibrated':
      serial();
      text(fields.device, 'device');
      break;
    case 'code':
      serial();
      text(fields.source, 'source');
      break;
    case 'error':
      text(fields.message, 'message');
      break;
    default:
      fail(
        'type',
        fields.type,
        'catalogue, prediction, progress, result, network, calibrated, code or error',
      );
  }
  return value as LiveReply;
}
