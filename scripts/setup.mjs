import { patchInstalled } from './patch-uws.mjs';

patchInstalled();
