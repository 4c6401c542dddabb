/**
 * What Node has in its global scope and `@types/node` leaves to the library of browsers, as declarations for the
 * language server: for cells in whose project that library is not.
 */
export const nodeGlobalsText = `import type { webcrypto } from 'node:crypto';
import type { performance } from 'node:perf_hooks';
type NodePerformance = typeof performance;
declare global {
  interface Performance extends NodePerformance {}
  var Performance: { prototype: Performance };
  interface Crypto extends webcrypto.Crypto {}
  var Crypto: { prototype: Crypto };
  interface CryptoKey extends webcrypto.CryptoKey {}
  var CryptoKey: { prototype: CryptoKey };
  interface SubtleCrypto extends webcrypto.SubtleCrypto {}
  var SubtleCrypto: { prototype: SubtleCrypto };
  namespace WebAssembly {
    type BufferSource = ArrayBuffer | ArrayBufferView;
    type ValueType = 'anyfunc' | 'externref' | 'f32' | 'f64' | 'i32' | 'i64' | 'v128';
    type TableKind = 'anyfunc' | 'externref';
    type ImportExportKind = 'function' | 'global' | 'memory' | 'table';
    type ExportValue = Function | Global | Memory | Table;
    type Exports = Record<string, any>;
    type Imports = Record<string, Record<string, ExportValue | number | bigint>>;
    interface MemoryDescriptor { initial: number; maximum?: number; shared?: boolean }
    interface TableDescriptor { element: TableKind; initial: number; maximum?: number }
    interface GlobalDescriptor { value: ValueType; mutable?: boolean }
    interface ModuleExportDescriptor { kind: ImportExportKind; name: string }
    interface ModuleImportDescriptor { kind: ImportExportKind; module: string; name: string }
    interface WebAssemblyInstantiatedSource { instance: Instance; module: Module }
    class Module {
      constructor(bytes: BufferSource);
      static customSections(module: Module, name: string): ArrayBuffer[];
      static exports(module: Module): ModuleExportDescriptor[];
      static imports(module: Module): ModuleImportDescriptor[];
    }
    class Instance {
      constructor(module: Module, imports?: Imports);
      readonly exports: Exports;
    }
    class Memory {
      constructor(descriptor: MemoryDescriptor);
      readonly buffer: ArrayBuffer;
      grow(delta: number): number;
    }
    class Table {
      constructor(descriptor: TableDescriptor, value?: any);
      readonly length: number;
      get(index: number): any;
      grow(delta: number, value?: any): number;
      set(index: number, value?: any): void;
    }
    class Global {
      constructor(descriptor: GlobalDescriptor, value?: any);
      value: any;
      valueOf(): any;
    }
    class CompileError extends Error {}
    class LinkError extends Error {}
    class RuntimeError extends Error {}
    function compile(bytes: BufferSource): Promise<Module>;
    function compileStreaming(source: Response | PromiseLike<Response>): Promise<Module>;
    function instantiate(bytes: BufferSource, imports?: Imports): Promise<WebAssemblyInstantiatedSource>;
    function instantiate(module: Module, imports?: Imports): Promise<Instance>;
    function instantiateStreaming(
      source: Response | PromiseLike<Response>,
      imports?: Imports,
    ): Promise<WebAssemblyInstantiatedSource>;
    function validate(bytes: BufferSource): boolean;
  }
}
`;
