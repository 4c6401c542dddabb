import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { InputDialog, showErrorMessage } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { IDocumentManager, IDocumentWidgetOpener } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { Signal } from '@lumino/signaling';

type Context = DocumentRegistry.Context;

/**
 * Open documents whose files are moved. JupyterLab's own contexts write a file that is no longer there under its old
 * name without asking, and lose a document in a renamed folder whose name means something else as a regular
 * expression (`C++`, `run (1)`).
 */
export const movedFilesPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/app:moved-files',
  description: 'Asks where to save a file that was renamed, moved or deleted by another program.',
  autoStart: true,
  requires: [IDocumentManager, IDocumentWidgetOpener],
  activate: (app: JupyterFrontEnd, documents: IDocumentManager, opener: IDocumentWidgetOpener) => {
    const files = new OpenFiles(app.serviceManager.contents);
    opener.opened.connect((_, widget) => {
      const context = documents.contextForWidget(widget);
      if (context) files.add(context);
    });
  },
};

class OpenFiles {
  private readonly contexts = new Set<Context>();

  constructor(private readonly contents: Contents.IManager) {
    contents.fileChanged.connect((_, { type, oldValue, newValue }) => {
      if (type === 'rename' && oldValue?.path && newValue?.path) {
        this.followFolder(oldValue.path, newValue.path);
      }
    });
  }

  /** Makes saving a document ask when its file is no longer there. */
  add(context: Context): void {
    if (this.contexts.has(context)) return;
    this.contexts.add(context);
    context.disposed.connect(() => this.contexts.delete(context));
    const save = context.save.bind(context);
    let asking = false;
    context.save = async () => {
      await context.ready;
      if (!(await this.isGone(context.path))) return save();
      if (asking) throw namedError('ModalDuplicateError', 'A dialog about this file is open already');
      asking = true;
      try {
        await this.saveElsewhere(context, save);
      } finally {
        asking = false;
      }
    };
  }

  /** Whether the server answers, and has no such file. */
  private async isGone(path: string): Promise<boolean> {
    try {
      await this.contents.get(path, { content: false });
      return false;
    } catch (error) {
      return (error as { response?: Response }).response?.status === 404;
    }
  }

  /**
   * Saves under the path that the user gives. If that is where the file was moved to, it still has the contents that
   * this document was opened with and is replaced; JupyterLab asks before it replaces any other.
   */
  private async saveElsewhere(context: Context, save: () => Promise<void>): Promise<void> {
    const { path } = context;
    const { value } = await InputDialog.getText({
      title: 'File Moved or Deleted',
      label:
        `"${path}" is no longer there: another program or another tab renamed, moved or deleted it. ` +
        'Save what is open here under the old path, or enter the new path of the file to continue there:',
      text: path,
      okLabel: 'Save',
      selectionRange: path.length - PathExt.extname(path).length,
    });
    const chosen = value?.trim().replace(/^\/+/, '');
    if (!chosen) throw namedError('ModalCancelError', 'Cancel');
    if (chosen === path) return save();
    if ([...this.contexts].some((other) => other.path === chosen)) {
      void showErrorMessage(
        'File Not Saved',
        `"${chosen}" is open too: close it first, or enter another path.`,
      );
      throw namedError('ModalCancelError', 'The chosen file is open');
    }
    this.move(context, chosen);
    try {
      await save();
    } catch (error) {
      this.move(context, path);
      throw error;
    }
  }

  /**
   * Reports the rename of a folder as renames of the documents in it, which contexts take over as they are. Contexts
   * connect later than this, so that they have moved before they look for the folder in their paths.
   */
  private followFolder(from: string, to: string): void {
    for (const context of this.contexts) {
      const { path } = context;
      if (path.startsWith(`${from}/`)) this.move(context, to + path.slice(from.length));
    }
  }

  /** Lets a document, its kernel session and the file browser know of its new path. */
  private move({ path, contentsModel }: Context, to: string): void {
    (this.contents.fileChanged as Signal<Contents.IManager, Contents.IChangedArgs>).emit({
      type: 'rename',
      oldValue: { path },
      newValue: { ...contentsModel, path: to, name: PathExt.basename(to) },
    });
  }
}

/** An error with a name by which JupyterLab knows that a save was given up in a dialog, and reports nothing. */
function namedError(name: 'ModalCancelError' | 'ModalDuplicateError', message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
