/** The plugins in the configuration, `plugins.<name>`: where each is, what it may do, and how it is set. */
import { z } from 'zod';
import { accountShape } from './channels.ts';

/** A plugin's tools are named `plugin.<name>.<tool>`: this leaves room for the tool in the 64 characters of a name. */
const NAME_LENGTH_MAX = 24;
export const PLUGINS_MAX = 32;
/** A plugin's channel, provider and memory backend have its name: these are others'. */
const RESERVED = 'anthropic|openai|offline|local|telegram|discord|slack|whatsapp|custom|api|person';

const list = z.array(z.string().min(1).max(256)).max(100).default([]);

/** Of what its manifest asks for, what it gets. Nothing is given that does not stand here. */
const allow = z
  .strictObject({
    /** Hosts it may send requests to. */
    hosts: list,
    /** Tools it may call, as the session that calls its own might. */
    tools: list,
    /** Variables of the gateway's environment it is told. */
    env: list,
    /** Its routes with the scope `open` are served: to anybody who can reach the gateway. */
    openRoutes: z.boolean().default(false),
  })
  .prefault({});

const plugin = z
  .strictObject({
    /** Its folder. Absolute once loaded. */
    path: z.string().min(1).max(4_096).optional(),
    /** Instead of a folder: an npm package that is installed beside the configuration file. */
    package: z
      .string()
      .max(214)
      .regex(/^(@[a-z0-9-][a-z0-9._-]*\/)?[a-z0-9-][a-z0-9._-]*$/, 'must be the name of an npm package')
      .optional(),
    enabled: z.boolean().default(true),
    /** Its code runs in the gateway's own process, with all the gateway may do. */
    trusted: z.boolean().default(false),
    allow,
    /** What its manifest describes. */
    settings: z.record(z.string().min(1).max(64), z.unknown()).default({}),
    /** Who may talk on its channel, as on every account of a channel. */
    channel: z.strictObject(accountShape).prefault({}),
  })
  .refine((entry) => (entry.path === undefined) !== (entry.package === undefined), {
    message: 'needs either path (a folder) or package (an npm package that is installed)',
  });

export const pluginsSchema = z
  .record(
    z
      .string()
      .max(NAME_LENGTH_MAX, `a plugin has a name of at most ${NAME_LENGTH_MAX} characters`)
      .regex(
        new RegExp(`^(?!(${RESERVED})$)[a-z][a-z0-9]*(-[a-z0-9]+)*$`),
        'a plugin is named by lower-case words joined by hyphens, and not as something that is built in',
      ),
    plugin,
  )
  .refine((plugins) => Object.keys(plugins).length <= PLUGINS_MAX, `there may be ${PLUGINS_MAX} plugins at most`)
  .default({});

export type PluginsConfig = z.output<typeof pluginsSchema>;
export type PluginConfig = PluginsConfig[string];
