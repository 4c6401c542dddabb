import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { keepFocus } from './focus';
import { ownKeys } from './keyboard';
import { message } from './message';

/** What a renderer shows: its element, and what must be let go with it. */
export interface Shown {
  readonly node: HTMLElement;
  /** Called when it has come onto the page, again when it has been moved. */
  attached?(): void;
  dispose(): void;
}

/**
 * Shows one display of ours in an output. It only reads the model; keys pressed in it are its own, and a document
 * that cannot be shown is replaced by a sentence that says why.
 */
export abstract class DocumentRenderer<T extends Shown> extends Widget implements IRenderMime.IRenderer {
  private readonly releaseKeys: () => void;
  private shown: T | undefined;

  /**
   * @param name what a screen reader calls the display
   * @param trouble what the message is headed by when the document cannot be shown
   */
  constructor(
    name: string,
    private readonly trouble: string,
  ) {
    super();
    this.addClass('fovea-renderer');
    this.releaseKeys = ownKeys(this.node, name);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    try {
      await this.draw(model.data);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  protected override onAfterAttach(): void {
    this.shown?.attached?.();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.releaseKeys();
    this.shown?.dispose();
    super.dispose();
  }

  /** Reads the data and draws it; what it throws is shown as the reason. */
  protected abstract draw(data: IRenderMime.IMimeModel['data']): Promise<void>;

  /** What is shown now, made by `create` when there is nothing. */
  protected place(create: () => T): T {
    if (!this.shown) {
      this.shown = create();
      this.node.replaceChildren(this.shown.node);
    }
    return this.shown;
  }

  /** Puts a message in the place of what was shown. */
  protected fail(error: Error): void {
    this.shown?.dispose();
    this.shown = undefined;
    keepFocus(
      this.node,
      () => this.node.replaceChildren(message(this.trouble, error.message)),
      () => this.node,
    );
  }
}
