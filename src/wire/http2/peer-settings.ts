// What the peer has said of itself in SETTINGS (RFC 9113 §6.5).
import { DEFAULT_FRAME_BYTES, ERROR, MAX_FRAME_BYTES, MAX_WINDOW, SETTING } from './frames/constants.ts';
import { MAX_SETTINGS } from './options.ts';

/** What is wrong with a SETTINGS frame. */
export type SettingsFault = { readonly code: number; readonly text: string };

export class PeerSettings {
  /** SETTINGS came at least once. */
  isKnown = false;
  maxConcurrentStreams = 0x7fff_ffff;
  /** Extended CONNECT (RFC 8441). */
  allowsConnect = false;
  /** Of the latest frame; -1 when it did not speak of them. */
  headerTableBytes = -1;
  initialWindow = -1;
  /** The smallest header table of the latest frame: the peer may have been there on its way to `headerTableBytes`. */
  smallestTableBytes = -1;

  /** Reads the entries buf[start, end) of a frame; `isClient` is what the peer is. */
  read(buf: Buffer, start: number, end: number, isClient: boolean): SettingsFault | null {
    this.headerTableBytes = this.smallestTableBytes = this.initialWindow = -1;
    if (end - start > MAX_SETTINGS * 6) {
      return { code: ERROR.enhanceYourCalm, text: 'SETTINGS: too many setting entries' };
    }
    for (let pos = start; pos < end; pos += 6) {
      const id = buf.readUInt16BE(pos);
      const value = buf.readUInt32BE(pos + 2);
      if (id === SETTING.initialWindowSize && value > MAX_WINDOW) {
        return { code: ERROR.flowControl, text: 'SETTINGS: too large SETTINGS_INITIAL_WINDOW_SIZE' };
      }
      if (!this.#set(id, value, isClient)) return { code: ERROR.protocol, text: `SETTINGS: invalid value of ${id}` };
    }
    this.isKnown = true;
    return null;
  }

  #set(id: number, value: number, isClient: boolean): boolean {
    switch (id) {
      case SETTING.headerTableSize:
        if (this.headerTableBytes < 0 || value < this.smallestTableBytes) this.smallestTableBytes = value;
        this.headerTableBytes = value;
        return true;
      case SETTING.enablePush:
        return value === 0 || (value === 1 && isClient);
      case SETTING.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return true;
      case SETTING.initialWindowSize:
        this.initialWindow = value;
        return true;
      case SETTING.maxFrameSize:
        return value >= DEFAULT_FRAME_BYTES && value <= MAX_FRAME_BYTES;
      case SETTING.enableConnect:
        if (value > 1 || (this.allowsConnect && value === 0)) return false;
        this.allowsConnect = value === 1;
        return true;
      default:
        return true;
    }
  }
}
