// Resources of the Prometheus operator, as JSON on standard input, held against its own definitions. It answers with what
// it has against each, or with nothing. The folder of the packages is its argument.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const models = join(resolve(process.argv[2]), "node_modules/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1");

const misfit = async (resource) => {
  const model = await import(pathToFileURL(join(models, `${resource.kind}.js`)));
  try {
    new model[resource.kind](resource).validate();
    return "";
  } catch (error) {
    return error.message;
  }
};

const given = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(await Promise.all(given.map(misfit))));
