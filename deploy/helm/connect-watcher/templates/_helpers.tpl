{{/* The name of everything that is made. */}}
{{- define "connect-watcher.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "connect-watcher.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "connect-watcher.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "connect-watcher.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "connect-watcher.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "connect-watcher.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "connect-watcher.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The Secret whose keys are files in the pod; nothing where there is none. */}}
{{- define "connect-watcher.secret" -}}
{{- if .Values.secrets.existingSecret -}}
{{- .Values.secrets.existingSecret -}}
{{- else if .Values.secrets.values -}}
{{- include "connect-watcher.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* "true" where a project's logs are pushed. */}}
{{- define "connect-watcher.otlp" -}}
{{- range .Values.config.projects -}}
{{- if and .logs (eq (toString .logs.source) "otlp") -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "connect-watcher.listen" -}}
{{- printf "%s:%d" (ternary "[::]" .root.Values.bindAddress (eq .root.Values.bindAddress "::")) (int .port) -}}
{{- end -}}

{{/* The configuration as TOML, with what the chart sets itself. */}}
{{- define "connect-watcher.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- include "connect-watcher.whole" $config -}}
{{- $_ := set $config "web" (merge (dict "listen" (include "connect-watcher.listen" (dict "root" . "port" 8080))) ($config.web | default dict)) -}}
{{- $_ := set $config "otlp" (merge (dict "listen" (include "connect-watcher.listen" (dict "root" . "port" 4318))) ($config.otlp | default dict)) -}}
{{- $_ := set $config "store" (merge (dict "url" "sqlite:////var/lib/connect-watcher/connect-watcher.db") ($config.store | default dict)) -}}
{{- $text := toToml $config -}}
{{- /* What ends a line in YAML, or may not be in it, is written as TOML escapes it: it stands in quoted texts only. */ -}}
{{- range concat (untilStep 127 160 1) (list 8232 8233 65279 65534 65535) -}}
{{- $text = $text | replace (printf "%c" (int .)) (printf "\\u%04X" (int .)) -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* Numbers of values are floating; those that are whole become integers again, in place. */}}
{{- define "connect-watcher.whole" -}}
{{- if kindIs "map" . -}}
{{- $map := . -}}
{{- range $key, $value := . -}}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) -}}
{{- $_ := set $map $key (int64 $value) -}}
{{- else -}}
{{- include "connect-watcher.whole" $value -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" . -}}
{{- range . -}}{{- include "connect-watcher.whole" . -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ports that are used on public addresses: https, and those of mail sinks. */}}
{{- define "connect-watcher.outside" -}}
{{- $ports := list 443 -}}
{{- range .Values.config.receivers -}}
{{- range .email -}}
{{- $usual := get (dict "starttls" 587 "implicit" 465 "none" 25) (.tls | default "starttls") -}}
{{- $ports = append $ports (int (.port | default $usual)) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
