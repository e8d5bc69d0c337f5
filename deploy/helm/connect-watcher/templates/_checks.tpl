{{/* What has to fit together beyond the schema. All of it is told at once. */}}
{{- define "connect-watcher.checks" -}}
{{- $found := dict "texts" list "missing" list "keys" dict -}}
{{- range $table, $key := dict "web" "listen" "otlp" "listen" "store" "url" -}}
{{- if hasKey (get $.Values.config $table | default dict) $key -}}
{{- include "connect-watcher.problem" (list $found (printf "config.%s.%s: is set by the chart, so leave it out" $table $key)) -}}
{{- end -}}
{{- end -}}
{{- range $at, $project := .Values.config.projects -}}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?$" $project.region) -}}
{{- include "connect-watcher.problem" (list $found (printf "config.projects[%d].region: must be a region like europe-west1.gcp" $at)) -}}
{{- end -}}
{{- range list "api_url" "auth_url" -}}
{{- if contains "@" (get $project . | default "") -}}
{{- include "connect-watcher.problem" (list $found (printf "config.projects[%d].%s: must not have a user or a password in it" $at .)) -}}
{{- end -}}
{{- end -}}
{{- range list "client_id" "client_secret" -}}
{{- if not (or (get $project .) (get $project (printf "%s_file" .))) -}}
{{- include "connect-watcher.problem" (list $found (printf "config.projects[%d].%s_file: set it to /etc/connect-watcher/secrets/ and a key of the Secret" $at .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "connect-watcher.look" (dict "root" . "value" .Values.config "path" "config" "form" "" "found" $found "secret" (.Files.Lines "files/secrets.txt")) -}}
{{- include "connect-watcher.secretChecks" (list . $found) -}}
{{- $name := include "connect-watcher.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- include "connect-watcher.problem" (list $found (printf "fullnameOverride: %s is no name for a Service: set one that begins with a letter and has letters, digits and - only" $name)) -}}
{{- end -}}
{{- range $at, $cidr := (.Values.config.egress | default dict).allow -}}
{{- if not (regexMatch "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" $cidr) -}}
{{- include "connect-watcher.problem" (list $found (printf "config.egress.allow[%d]: must be a network like 10.1.0.0/16, which the NetworkPolicy takes too" $at)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.secrets.existingSecret .Values.secrets.values -}}
{{- include "connect-watcher.problem" (list $found "secrets: set either existingSecret or values") -}}
{{- end -}}
{{- if .Values.ingress.enabled -}}
{{- if not (include "connect-watcher.otlp" .) -}}
{{- include "connect-watcher.problem" (list $found "ingress.enabled: there is nothing to reach: set logs.source of a project to otlp") -}}
{{- end -}}
{{- if not .Values.ingress.host -}}
{{- include "connect-watcher.problem" (list $found "ingress.host: set it to the name that logs are pushed to, like logs.example.com") -}}
{{- end -}}
{{- if not .Values.ingress.tlsSecret -}}
{{- include "connect-watcher.problem" (list $found "ingress.tlsSecret: set it to the Secret with the host's certificate: keys must not cross the network readable") -}}
{{- end -}}
{{- end -}}
{{- if $found.texts -}}
{{- fail (printf "\n\n%s\n" (join "\n" $found.texts)) -}}
{{- end -}}
{{- end -}}

{{- define "connect-watcher.problem" -}}
{{- $found := index . 0 -}}
{{- $_ := set $found "texts" (append $found.texts (index . 1)) -}}
{{- end -}}

{{/* Look at every text of the configuration: secrets must not stand in it, and their files must be in the pod. */}}
{{- define "connect-watcher.look" -}}
{{- if kindIs "map" .value -}}
{{- range $key, $value := .value -}}
{{- $form := ternary $key (printf "%s.%s" $.form $key) (eq $.form "") -}}
{{- include "connect-watcher.look" (merge (dict "value" $value "path" (printf "%s.%s" $.path $key) "form" $form "above" $.form "key" $key) (omit $ "value" "path" "form" "above" "key")) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $at, $value := .value -}}
{{- include "connect-watcher.look" (merge (dict "value" $value "path" (printf "%s[%d]" $.path $at) "form" (printf "%s[]" $.form)) (omit $ "value" "path" "form")) -}}
{{- end -}}
{{- else if and (kindIs "string" .value) .value -}}
{{- if or (hasSuffix "_file" .key) (hasSuffix "_file" .above) -}}
{{- include "connect-watcher.lookFile" . -}}
{{- else if and (or (has .form .secret) (has (printf "%s.*" .above) .secret)) (include "connect-watcher.tells" .value) -}}
{{- include "connect-watcher.problem" (list .found (printf "%s: is a secret, which would be readable in a ConfigMap: put it into the Secret, and set %s to /etc/connect-watcher/secrets/ and its key" .path (ternary (printf "%s_file" .path) (.path | replace ".headers." ".headers_file.") (has .form .secret)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Whether a text of a secret tells anything: more than ${NAME}, whose value stands elsewhere, and what every such text has, like
https:// or Bearer. A default, as in ${NAME:-this}, tells.
*/}}
{{- define "connect-watcher.tells" -}}
{{- $rest := regexReplaceAll "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-)?\\}" . "" -}}
{{- if or (eq $rest .) (not (regexMatch "^([a-z]+://[a-zA-Z0-9.-]*(:[0-9]+)?(/services)?/?)?([A-Za-z]+ )?$" $rest)) -}}
true
{{- end -}}
{{- end -}}

{{/* A file that the configuration names. */}}
{{- define "connect-watcher.lookFile" -}}
{{- $name := regexReplaceAll "^(/etc/connect-watcher/)?secrets/" .value "" -}}
{{- if and (ne $name .value) (regexMatch "^[-._a-zA-Z0-9]+$" $name) -}}
{{- $_ := set .found.keys $name .path -}}
{{- else if not (and .root.Values.extraVolumeMounts (hasPrefix "/" .value)) -}}
{{- /* What it says is not shown: a secret may have been put here instead of the name of its file. */ -}}
{{- include "connect-watcher.problem" (list .found (printf "%s: names no file in the container: set it to /etc/connect-watcher/secrets/ and a key of the Secret" .path)) -}}
{{- end -}}
{{- end -}}

{{/* Whether the Secret has what the configuration names. An existing one is looked at where there is a cluster to ask. */}}
{{- define "connect-watcher.secretChecks" -}}
{{- $root := index . 0 -}}
{{- $found := index . 1 -}}
{{- $secrets := $root.Values.secrets -}}
{{- $names := keys $found.keys | sortAlpha -}}
{{- if $secrets.existingSecret -}}
{{- $asked := lookup "v1" "Secret" $root.Release.Namespace "" -}}
{{- $secret := lookup "v1" "Secret" $root.Release.Namespace $secrets.existingSecret -}}
{{- if $secret -}}
{{- range $names -}}
{{- if not (hasKey ($secret.data | default dict) .) -}}
{{- include "connect-watcher.problem" (list $found (printf "secrets.existingSecret: %s has no key %s, which %s names: add it" $secrets.existingSecret . (get $found.keys .))) -}}
{{- end -}}
{{- end -}}
{{- else if $asked -}}
{{- include "connect-watcher.problem" (list $found (printf "secrets.existingSecret: there is no Secret %s in the namespace %s: make it, with: kubectl -n %s create secret generic %s%s" $secrets.existingSecret $root.Release.Namespace $root.Release.Namespace $secrets.existingSecret (include "connect-watcher.literals" $names))) -}}
{{- end -}}
{{- else if and $names (not $secrets.values) -}}
{{- include "connect-watcher.problem" (list $found (printf "secrets.existingSecret: set it to the name of a Secret with the keys that config names, made with: kubectl -n %s create secret generic connect-watcher%s" $root.Release.Namespace (include "connect-watcher.literals" $names))) -}}
{{- else -}}
{{- range $names -}}
{{- if not (get $secrets.values .) -}}
{{- include "connect-watcher.problem" (list $found (printf "secrets.values.%s: set it, as %s names it" . (get $found.keys .))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "connect-watcher.literals" -}}
{{- range . }} --from-file={{ . }}{{ end -}}
{{- end -}}
