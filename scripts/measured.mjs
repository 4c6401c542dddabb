/** What tables of measurements call networks and machines. */
import os from 'node:os';

const titles = {
  resnet18: 'ResNet-18',
  resnet50: 'ResNet-50',
  resnet101: 'ResNet-101',
  mobilenet_v2: 'MobileNetV2',
  regnet_y_800mf: 'RegNetY-800MF',
};

/** A built-in network as papers write it; the name itself for those that no table has. */
export const titleOf = (model) => titles[model] ?? model;

/** This machine's processor. */
export const processorName = () => os.cpus()[0]?.model.trim() || 'unknown processor';
